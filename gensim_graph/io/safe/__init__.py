"""TODO gensim_graph.io.safe."""

from gensim_graph.io.safe.datasets import DATASET_SUFFIXES, opened_dataset
from gensim_graph.io.safe.netcdf import has, opened, read_values

__all__ = ["DATASET_SUFFIXES", "has", "opened", "opened_dataset", "read_values"]
