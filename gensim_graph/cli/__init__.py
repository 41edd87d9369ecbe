"""Command line: one module for each command, put together in :mod:`~gensim_graph.cli.main`."""

from gensim_graph.cli.main import app, main
from gensim_graph.moved import moved_names

__all__ = ["app", "main"]

__getattr__ = moved_names(__name__)
