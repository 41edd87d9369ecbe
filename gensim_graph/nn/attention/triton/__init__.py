"""TODO gensim_graph.nn.attention.triton."""

from gensim_graph.nn.attention.triton.triton_backend import TRITON

__all__ = ["TRITON"]
