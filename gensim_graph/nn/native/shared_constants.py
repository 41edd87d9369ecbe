"""Numbers that Python and C++ share. They are defined here and nowhere else.

:func:`constants_header` writes every capitalised name of this module into the header ``shared_constants.h``, which the
C++ files include: a new number needs one line here. Changing one compiles the library anew.
"""

HEAD_SPINS = (28, 7, 7)
"""Scalars, vectors and tensors among the content channels of an attention head."""

HEAD_CONTENT = HEAD_SPINS[0] + 2 * HEAD_SPINS[1] + 2 * HEAD_SPINS[2]
"""Content channels of a head, in real numbers: 56."""

POSITION_CHANNELS = 8
"""Further channels of a head: positions in a query and a key, first moments in a value."""

HEAD_CHANNELS = HEAD_CONTENT + POSITION_CHANNELS
"""All channels of a head: 64."""

PAIR_CHANNELS = 2 * HEAD_CONTENT
"""Content channels of a key and of its value, side by side: 112."""

MOMENT_SOURCES = (0, 1, 28, 35)
"""Content channels of the values with a first moment: two scalars and a vector (Re, Im)."""

MOMENT_SPINS = (2, 2, 1)
"""Scalars, vectors and tensors that a head makes of these moments."""

NORM_EPSILON = 1e-6
"""Added to the mean square in the norms of queries and keys."""

ISOTROPIC_RANGE = 1.5
"""Largest change of the logarithm of the isotropic part of the localisation that a network may predict."""

ANISOTROPY = 0.8
"""Upper bound of the anisotropic part of the localisation, as a share of the isotropic part."""

SHIFT = 2.0
"""Upper bound of the linear part of the localisation, in square roots of the isotropic part."""

QUERY_GROUP = 16
"""Queries that the compiled attention skips together where none of them sees a key."""

TILE_GROUPS = 4
"""Groups of queries in a tile."""

TILE = QUERY_GROUP * TILE_GROUPS
"""Queries that the compiled attention handles together: 64."""

PATTERNS = 2**TILE_GROUPS
"""Combinations of the groups of a tile that can see a key: 16."""

TOKEN_BLOCK = 64
"""Tokens with one common sum of the gradients of the weights; their order is the same on any number of threads."""


def constants_header() -> str:
    """Return the text of ``shared_constants.h``: integers, single-precision numbers and lists of integers."""
    lines = ["// Generated from shared_constants.py.", "#pragma once"]
    lines += [_declaration(name, value) for name, value in globals().items() if name.isupper()]
    return "\n".join(lines) + "\n"


def _declaration(name: str, value: int | float | tuple[int, ...]) -> str:
    if isinstance(value, tuple):
        return f"constexpr int {name}[] = {{{', '.join(map(str, value))}}};"
    if isinstance(value, float):
        return f"constexpr float {name} = {value!r}f;"
    return f"constexpr int {name} = {value};"
