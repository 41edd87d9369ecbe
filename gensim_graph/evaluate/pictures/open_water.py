"""Open water on maps: damage and drift belong to the ice, and have no meaning where there is none.

A model still writes some value there, for damage often zero or one, and a map of it would show the open sea as intact
or as broken ice.
"""

import numpy as np

from gensim_graph.evaluate.tally import ICE_EDGE
from gensim_graph.typing import Array

ICE_ONLY = frozenset({"sid", "siu", "siv"})
"""Variables that exist only where there is ice."""

WATER = "#d6e6f2"
"""Colour of open water on maps of these variables."""


def only_ice(values: Array, concentration: Array) -> Array:
    """Replace values over open water by NaN, which maps draw in the colour ``WATER``.

    Args:
        values: (...) any field.
        concentration: (...) ice concentration of the same source.

    Returns:
        (...) the values, NaN where the concentration is below 15 %.
    """
    return np.where(concentration < ICE_EDGE, np.nan, values)
