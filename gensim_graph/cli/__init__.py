"""Command line: one module for each command, put together in :mod:`~gensim_graph.cli.main`."""

from gensim_graph.cli.demo import Study, compare, fit_linear, plan_study
from gensim_graph.cli.main import app, main
from gensim_graph.moved import moved_names

__all__ = ["Study", "app", "compare", "fit_linear", "main", "plan_study"]

__getattr__ = moved_names(__name__)
