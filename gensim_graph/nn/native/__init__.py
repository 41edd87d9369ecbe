"""C++ for the processor, compiled at its first use (``docs/decisions/0006-compiled-at-first-use.md``).

Reading order: ``shared_constants`` (numbers that both languages use), ``kernels`` (table of the compiled functions),
``loader`` (compile, load, call). The sources, each beside the headers that it includes: ``gate.cpp``,
``split_heads.cpp``, ``join_heads.cpp`` and ``attention.cpp``, the last with ``product.h`` and ``halo.h``.
"""

from gensim_graph.nn.native.kernels import structure_fields
from gensim_graph.nn.native.loader import call, expect_shapes, library, native_applies, native_available
from gensim_graph.nn.native.shared_constants import (
    ANISOTROPY,
    HEAD_CHANNELS,
    HEAD_CONTENT,
    HEAD_SPINS,
    ISOTROPIC_RANGE,
    MOMENT_SOURCES,
    MOMENT_SPINS,
    NORM_EPSILON,
    PAIR_CHANNELS,
    PATTERNS,
    POSITION_CHANNELS,
    SHIFT,
    TILE,
    TOKEN_BLOCK,
)

__all__ = [
    "ANISOTROPY",
    "HEAD_CHANNELS",
    "HEAD_CONTENT",
    "HEAD_SPINS",
    "ISOTROPIC_RANGE",
    "MOMENT_SOURCES",
    "MOMENT_SPINS",
    "NORM_EPSILON",
    "PAIR_CHANNELS",
    "PATTERNS",
    "POSITION_CHANNELS",
    "SHIFT",
    "TILE",
    "TOKEN_BLOCK",
    "call",
    "expect_shapes",
    "library",
    "native_applies",
    "native_available",
    "structure_fields",
]
