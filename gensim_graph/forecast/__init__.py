"""Forecasts on disk: ensembles streamed to zarr, step by step, in batches of members, on one process or many."""

from gensim_graph.forecast.initial import read_initial
from gensim_graph.forecast.layout import RESTART, check_place
from gensim_graph.forecast.ranks import Ranks
from gensim_graph.forecast.request import steps_of
from gensim_graph.forecast.writer import Batch, check_complete, write_forecast
from gensim_graph.moved import moved_names

__all__ = [
    "RESTART",
    "Batch",
    "Ranks",
    "check_complete",
    "check_place",
    "read_initial",
    "steps_of",
    "write_forecast",
]

__getattr__ = moved_names(__name__)
