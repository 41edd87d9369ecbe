"""TODO gensim_graph.nn.native."""

from gensim_graph.nn.native.loader import call, expect_shapes, library, native_at_hand, native_serves

__all__ = ["call", "expect_shapes", "library", "native_at_hand", "native_serves"]
