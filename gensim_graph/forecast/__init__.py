"""Forecasts on disk: ensembles streamed to zarr, step by step."""

from gensim_graph.forecast.writer import write_forecast

__all__ = ["write_forecast"]
