"""Backend ``native``: attention in C++ (:mod:`gensim_graph.nn.native`), for processors.

Reading order: ``native_kernel`` (the attention and its derivative), ``native_tokens`` (splitting and joining the
heads), ``native_backend``.
"""

from gensim_graph.nn.attention.native.native_backend import NATIVE

__all__ = ["NATIVE"]
