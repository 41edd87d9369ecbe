"""TODO gensim_graph.nn.attention.native."""

from gensim_graph.nn.attention.native.native_backend import NATIVE

__all__ = ["NATIVE"]
