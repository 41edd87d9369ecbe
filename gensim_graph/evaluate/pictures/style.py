"""One style for all figures: fonts, labels with units, and colours.

Colour maps are perceptually ordered and safe for colour-blind readers: sequential for states, diverging around zero for
velocities and divergence.
"""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from textwrap import wrap
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from gensim_graph.typing import Array
from gensim_graph.variables import Variable

COLOUR_MAPS = {"sic": "Blues_r", "sit": "viridis", "sid": "magma", "snt": "cividis"}
DIVERGING_MAP = "RdBu_r"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
"""For :meth:`str.translate`: digits and the minus sign -> the same, raised."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.titlesize": 10.5,
    "axes.titley": 1.0,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "legend.frameon": False,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "image.composite_image": False,
    "text.parse_math": False,
    "text.usetex": False,
}
"""Settings of matplotlib for our figures.

Texts are drawn as they are: names of files, models and variables come from users, and a ``$`` in them would otherwise
begin a formula. Ticks of logarithmic axes therefore need
:func:`~gensim_graph.evaluate.pictures.curve_panels.power_text`.
Titles stand at a fixed height: to find one that is free of ticks, matplotlib would measure every label.
"""

_P = ParamSpec("_P")


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Decorate a function so that it draws in ``STYLE``; the user's settings of matplotlib do not change."""

    @wraps(draw)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


def pretty_units(units: str) -> str:
    """Format units for a label: ``m s-1`` becomes m s⁻¹, ``1`` becomes an empty text."""
    if units in ("", "1"):
        return ""

    return re.sub(r"(?<=[A-Za-z])-?\d+", lambda power: power.group().translate(SUPERSCRIPTS), units)


def wrapped(text: str, letters: int) -> str:
    """Break a label into lines.

    Args:
        text: the label.
        letters: largest length of a line; a longer word stays whole.
    """
    return "\n".join(wrap(text, letters, break_long_words=False))


def with_units(text: str, units: str) -> str:
    """Append units in brackets to a text, if there are any.

    Args:
        text: the text.
        units: udunits string, such as ``m s-1``.
    """
    shown = pretty_units(units)
    return f"{text} ({shown})" if shown else text


def variable_label(variable: Variable) -> str:
    """Return name, meaning and units of a variable as one label."""
    return with_units(f"{variable.name}: {variable.long_name or variable.name}", variable.units)


def colour_map(variable: Variable) -> str:
    """Return the name of the colour map of a variable; diverging for a component of a vector."""
    return DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")


def shared_norm(fields: Sequence[Array], variable: Variable) -> Normalize:
    """Return one colour scale for several fields of a variable; centred on zero for a component of a vector.

    Args:
        fields: arrays of any shape, in the same units; NaN is left out.
        variable: the variable.
    """
    pooled = np.concatenate([values[np.isfinite(values)] for values in fields])
    if len(pooled) == 0:
        return Normalize(0.0, 1.0)
    if variable.vector:
        top = float(np.quantile(np.abs(pooled), 0.995)) or 1.0
        return TwoSlopeNorm(0.0, -top, top)

    low, high = np.quantile(pooled, [0.005, 0.995])
    return Normalize(low, high) if high > low else Normalize(low - 0.5, low + 0.5)


def difference_norm(fields: Sequence[Array]) -> Normalize:
    """Return a colour scale that is centred on zero, for differences.

    Args:
        fields: arrays of any shape, in the same units; NaN is left out.
    """
    pooled = np.concatenate([values[np.isfinite(values)] for values in fields])
    top = float(np.quantile(np.abs(pooled), 0.995)) if len(pooled) else 0.0
    return Normalize(-(top or 1.0), top or 1.0)


def bar_ends(norm: Normalize, fields: Sequence[Array]) -> Literal["neither", "min", "max", "both"]:
    """Return the ends of a colour bar that are pointed because values lie beyond them.

    Args:
        norm: colour scale of the bar.
        fields: all values that are drawn in this scale; NaN is left out.
    """
    pooled = np.concatenate([values[np.isfinite(values)] for values in fields])
    below = bool((pooled < float(norm.vmin or 0.0)).any())
    above = bool((pooled > float(norm.vmax or 0.0)).any())
    if below and above:
        return "both"
    if below:
        return "min"
    return "max" if above else "neither"
