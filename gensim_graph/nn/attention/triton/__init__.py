"""Backend ``triton``: fused kernels for a GPU.

Reading order: ``token_lists`` (which tokens a program reads), ``triton_kernel`` (the kernels), ``triton_operator`` (the
kernels as an operator of PyTorch with its derivative), ``triton_backend``.
"""

from gensim_graph.nn.attention.triton.token_lists import with_readers
from gensim_graph.nn.attention.triton.triton_backend import TRITON

__all__ = ["TRITON", "with_readers"]
