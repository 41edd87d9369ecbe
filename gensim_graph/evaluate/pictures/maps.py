"""Building blocks of figures: a field on the native faces, arrows, grids of maps, colour bars, one style.

Colour maps are perceptually ordered and safe for the colour-blind: sequential for states, diverging around zero for
velocities and divergence.
"""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import raster
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable

POLYGONS_UP_TO = 25_000
COLOUR_MAPS = {"sic": "Blues_r", "sit": "viridis", "sid": "magma", "snt": "cividis"}
DIVERGING_MAP = "RdBu_r"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.titlesize": 10.5,
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
}
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 0.85, 0.15, 0.55, 1.05, 0.14  # inches around the panels of maps, and between them
_P = ParamSpec("_P")


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Draw within our style and leave the user's untouched."""

    @wraps(draw)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


def pretty_units(units: str) -> str:
    """Units for a label: ``m s-1`` as m s⁻¹, nothing for a plain number."""
    if units in ("", "1"):
        return ""
    superscripts = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return re.sub(r"(?<=[A-Za-z])-?\d+", lambda power: power.group().translate(superscripts), units)


def label(variable: Variable) -> str:
    """Name, meaning and units of a variable for a title."""
    return with_units(f"{variable.name}: {variable.long_name or variable.name}", variable.units)


def face_map(
    ax: Axes,
    mesh: Mesh,
    values: Array,
    *,
    cmap: str | Colormap = "viridis",
    norm: Normalize | None = None,
    title: str = "",
) -> PolyCollection | AxesImage:
    """Draw values on the native faces, axes in km with equal scale.

    Meshes of more than ``POLYGONS_UP_TO`` faces are drawn as pixels, see :mod:`~gensim_graph.mesh.operators.rasterise`.

    Args:
        values: (face).
        norm: colour scale; the range of the values when not given.

    Returns:
        What a colour bar needs.
    """
    drawn = (
        _pixels(ax, mesh, values, cmap, norm)
        if mesh.n_faces > POLYGONS_UP_TO
        else _polygons(ax, mesh, values, cmap, norm)
    )
    drawn.set_in_layout(False)  # the frame is known; to measure every face takes longer than to draw it
    _draw_coast(ax, mesh)
    _frame(ax, mesh)
    ax.set_title(title)

    return drawn


def _draw_coast(ax: Axes, mesh: Mesh) -> None:
    if "coast" in mesh.boundaries:
        lines = mesh.nodes[mesh.boundary_edges[mesh.boundary_kind == "coast"]] * KM_PER_METRE
        coast = LineCollection(list(lines), colors="#4a3420", linewidths=0.4)
        coast.set_in_layout(False)
        ax.add_collection(coast, autolim=False)


def _pixels(ax: Axes, mesh: Mesh, values: Array, cmap: str | Colormap, norm: Normalize | None) -> AxesImage:
    shown, edges = raster(mesh, values)
    extent = tuple(KM_PER_METRE * edge for edge in edges)
    return ax.imshow(shown, cmap=cmap, norm=norm, origin="lower", extent=extent, interpolation="nearest")  # type: ignore[arg-type]


def _polygons(ax: Axes, mesh: Mesh, values: Array, cmap: str | Colormap, norm: Normalize | None) -> PolyCollection:
    corners = np.where(mesh.faces >= 0, mesh.faces, mesh.faces[:, :1])
    polygons: Any = mesh.nodes[corners] * KM_PER_METRE
    # Without antialiasing neighbours meet without a seam of background between them.
    drawn = PolyCollection(polygons, cmap=cmap, norm=norm, antialiased=False, linewidth=0, rasterized=True)
    drawn.set_array(np.asarray(values, dtype=np.float64))
    ax.add_collection(drawn, autolim=False)

    return drawn


def _frame(ax: Axes, mesh: Mesh) -> None:
    low, high = mesh.nodes.min(axis=0) * KM_PER_METRE, mesh.nodes.max(axis=0) * KM_PER_METRE
    margin = 0.01 * (high - low).max()
    ax.set(
        xlim=(low[0] - margin, high[0] + margin),
        ylim=(low[1] - margin, high[1] + margin),
        aspect="equal",
        facecolor="#e6e6e6",
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))


def arrows(ax: Axes, mesh: Mesh, drift: tuple[Array, Array], *, scale: float, spacing: float = 1 / 14) -> None:
    """Draw drift arrows on an even subset of the faces.

    Args:
        drift: u, v along the mesh axes, each (face), m/s.
        scale: drift that is drawn as long as the arrows stand apart, m/s.
        spacing: distance between arrows as a share of the size of the mesh.
    """
    extent = np.ptp(mesh.nodes, axis=0).max()
    bins = np.floor((mesh.centres - mesh.nodes.min(axis=0)) / (spacing * extent)).astype(np.int64)
    middle = (bins + 0.5) * spacing * extent + mesh.nodes.min(axis=0)
    order = np.argsort(np.linalg.norm(mesh.centres - middle, axis=1), kind="stable")
    _, first = np.unique(bins[order], axis=0, return_index=True)
    chosen = order[first]
    x, y = mesh.centres[chosen].T * KM_PER_METRE
    length = scale / (spacing * extent * KM_PER_METRE)
    quiver = ax.quiver(
        x, y, drift[0][chosen], drift[1][chosen], angles="xy", scale_units="xy", scale=length, width=0.0042, pivot="mid"
    )
    quiver.set(
        color="black", path_effects=[withStroke(linewidth=1.4, foreground="white")]
    )  # readable on light and dark


def map_grid(mesh: Mesh, rows: int, columns: int, panel: float = 2.75, between: float = _GAP) -> tuple[Figure, Array]:
    """Figure with rows x columns axes in the shape of the mesh, ``panel`` inches wide, rows ``between`` apart."""
    width, height = np.ptp(mesh.nodes, axis=0)
    tall = panel * float(np.clip(height / width, 0.35, 1.6))
    wide = _LEFT + columns * panel + (columns - 1) * _GAP + _RIGHT
    high = _TOP + rows * tall + (rows - 1) * between + _BOTTOM
    # Placed by hand: to measure every label of every panel takes longer than to draw the maps.
    figure = Figure(figsize=(wide, high))
    edges = {"left": _LEFT / wide, "right": 1 - _RIGHT / wide, "bottom": _BOTTOM / high, "top": 1 - _TOP / high}
    grid = figure.add_gridspec(rows, columns, wspace=_GAP / panel, hspace=between / tall, **edges)
    axes = grid.subplots(squeeze=False, sharex=True, sharey=True)
    for ax in axes[-1]:
        ax.set_xlabel("x (km)")

    return figure, axes


def label_rows(axes: Array, leads: Sequence[float]) -> None:
    """Write the lead time of every row, hours, at its left."""
    for ax, lead in zip(axes[:, 0], leads, strict=True):
        ax.set_ylabel(f"+{lead:g} h\ny (km)")


def shared_norm(fields: Sequence[Array], variable: Variable) -> Normalize:
    """Colour scale of one variable for several fields, around zero for a vector component."""
    pooled = np.concatenate([values.ravel() for values in fields])
    if variable.vector:
        top = top_of(np.abs(pooled), 0.995) or 1.0
        return TwoSlopeNorm(0.0, -top, top)

    low, high = np.quantile(pooled, [0.005, 0.995])
    return Normalize(low, high) if high > low else Normalize(low - 0.5, low + 0.5)


def top_of(values: Array, level: float) -> float:
    """Quantile of the values, a limit for colours that an outlier does not stretch."""
    return float(np.quantile(values, level))


def colour_bar(
    figure: Figure, image: PolyCollection | AxesImage, axes: Array, text: str, norm: Normalize, fields: Sequence[Array]
) -> None:
    """One bar below the panels, with pointed ends where values lie beyond its range."""
    below = min(float(values.min()) for values in fields) < float(norm.vmin or 0.0)
    above = max(float(values.max()) for values in fields) > float(norm.vmax or 0.0)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    first, last = axes[-1, 0].get_position(), axes[-1, -1].get_position()
    wide, high = figure.get_size_inches()
    length = min(last.x1 - first.x0, 4.2 / wide)
    left = (first.x0 + last.x1 - length) / 2
    place = figure.add_axes((left, 0.44 / high, length, 0.12 / high))
    bar = figure.colorbar(image, cax=place, orientation="horizontal", extend=extend)
    bar.set_label(text, fontsize=10.5)


def with_units(text: str, units: str) -> str:
    """Text with units in brackets, where there are any."""
    shown = pretty_units(units)
    return f"{text} ({shown})" if shown else text
