"""A map: one field on the native faces of a mesh, drawn into one panel, with or without drift arrows."""

from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PolyCollection
from matplotlib.colors import Colormap, Normalize, to_rgba
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from gensim_graph.evaluate.pictures.open_water import WATER
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import raster
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

POLYGONS_UP_TO = 25_000
"""Number of faces up to which each face is drawn as a polygon; larger meshes are drawn as pixels."""

_COLOUR_LEVELS = 64
"""Colours of a colour map: more cannot be told apart, and double the size of the file."""

_SLOWEST = 0.08
"""Speed as a share of the scale of the arrows below which none is drawn: it would be a dot without a direction."""


def face_map(
    ax: Axes,
    mesh: Mesh,
    values: Array,
    *,
    cmap: str | Colormap = "viridis",
    norm: Normalize | None = None,
    title: str = "",
) -> PolyCollection | AxesImage:
    """Draw values on the native faces, on axes in km with equal scale.

    Meshes of more than ``POLYGONS_UP_TO`` faces are drawn as pixels, see :mod:`~gensim_graph.mesh.operators.rasterise`.

    Args:
        ax: the panel.
        mesh: the mesh.
        values: (F,) in any units; faces of NaN are drawn in the colour of open water.
        cmap: colour map.
        norm: colour scale; by default the range of the values.
        title: text above the map.

    Returns:
        The drawn faces, from which a colour bar can be made.
    """
    draw = _draw_pixels if mesh.n_faces > POLYGONS_UP_TO else _draw_polygons
    colours = mpl.colormaps[cmap].resampled(_COLOUR_LEVELS) if isinstance(cmap, str) else cmap
    drawn = draw(ax, mesh, values, colours.with_extremes(bad=WATER), norm)
    drawn.set_in_layout(False)  # matplotlib would measure every face for the layout, which takes longer than drawing
    _draw_coast(ax, mesh)
    _set_frame(ax, mesh)
    ax.set_title(title, parse_math=False)

    return drawn


def _draw_pixels(ax: Axes, mesh: Mesh, values: Array, cmap: Colormap, norm: Normalize | None) -> AxesImage:
    shown, edges = raster(mesh, values)
    extent = tuple(KM_PER_METRE * edge for edge in edges)
    style: Any = {"origin": "lower", "extent": extent, "interpolation": "nearest"}

    # Faces of NaN are transparent and show the water below; pixels outside of the mesh show the background.
    ax.imshow(_water_pixels(mesh), **style).set_in_layout(False)

    return ax.imshow(shown, cmap=cmap.with_extremes(bad="none"), norm=norm, **style)


@lru_cache(maxsize=2)
def _water_pixels(mesh: Mesh) -> Array:
    """Colours (rows, columns, 4) of a mesh without ice, transparent outside of the mesh."""
    inside, _ = raster(mesh, np.ones(mesh.n_faces))
    colours = np.zeros((*inside.shape, 4), dtype=np.uint8)
    colours[inside == 1] = np.round(255 * np.array(to_rgba(WATER)))

    return colours


def recolour(drawn: PolyCollection | AxesImage, mesh: Mesh, values: Array) -> None:
    """Show other values in a map that is already drawn.

    Args:
        drawn: result of :func:`face_map`.
        mesh: its mesh.
        values: (F,) the new values.
    """
    if isinstance(drawn, AxesImage):
        drawn.set_data(raster(mesh, values)[0])
    else:
        drawn.set_array(np.ma.masked_invalid(np.asarray(values, dtype=np.float64)))


def _draw_polygons(ax: Axes, mesh: Mesh, values: Array, cmap: Colormap, norm: Normalize | None) -> PolyCollection:
    # With antialiasing the background would show as a seam between neighbouring faces.
    drawn = PolyCollection([], cmap=cmap, norm=norm, antialiased=False, linewidth=0, rasterized=True)
    Collection.set_paths(drawn, _outlines(mesh))  # that of PolyCollection would make new paths for every map
    recolour(drawn, mesh, values)
    ax.add_collection(drawn, autolim=False)

    return drawn


@lru_cache(maxsize=2)
def _outlines(mesh: Mesh) -> list[Path]:
    """Outline of every face, km; all maps of a mesh share them: many maps have more faces than all else together."""
    corners = np.where(mesh.faces >= 0, mesh.faces, mesh.faces[:, :1])
    return list(PolyCollection(list(mesh.nodes[corners] * KM_PER_METRE)).get_paths())


def _draw_coast(ax: Axes, mesh: Mesh) -> None:
    if "coast" not in mesh.boundaries:
        return

    coast = PathPatch(_coast_line(mesh), fill=False, edgecolor="#4a3420", linewidth=0.3, antialiased=False)
    coast.set_in_layout(False)
    ax.add_artist(coast)


@lru_cache(maxsize=2)
def _coast_line(mesh: Mesh) -> Path:
    """All edges of the coast, km, as one path: thousands of paths would take longer to make and to draw."""
    edges = mesh.boundary_edges[mesh.boundary_kind == "coast"]
    return Path(mesh.nodes[edges.ravel()] * KM_PER_METRE, np.tile([Path.MOVETO, Path.LINETO], len(edges)))


def _set_frame(ax: Axes, mesh: Mesh) -> None:
    """Limits, ticks and background of a map."""
    low, high = mesh.nodes.min(axis=0) * KM_PER_METRE, mesh.nodes.max(axis=0) * KM_PER_METRE
    margin = 0.01 * (high - low).max()
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(low[1] - margin, high[1] + margin)
    ax.set(aspect="equal", facecolor="#e6e6e6")

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))


def arrows(ax: Axes, mesh: Mesh, drift: tuple[Array, Array], *, scale: float, spacing: float = 1 / 14) -> None:
    """Draw drift arrows on an even subset of the faces.

    Args:
        ax: the panel.
        mesh: the mesh.
        drift: u and v along the axes of the plane, each (F,), m/s; no arrow on faces where it is NaN or almost zero.
        scale: speed in m/s of which the arrow is as long as the distance between two arrows.
        spacing: distance between arrows as a share of the size of the mesh.
    """
    distance = spacing * np.ptp(mesh.nodes, axis=0).max()
    chosen = _even_subset(mesh, distance)
    chosen = chosen[np.hypot(*drift)[chosen] > _SLOWEST * scale]  # False for NaN
    if len(chosen) == 0:
        return

    x, y = mesh.centres[chosen].T * KM_PER_METRE
    speed_per_km = scale / (distance * KM_PER_METRE)
    u, v = (component[chosen] for component in drift)

    quiver = ax.quiver(x, y, u, v, angles="xy", scale_units="xy", scale=speed_per_km, width=0.0042, pivot="mid")
    outline = withStroke(linewidth=1.4, foreground="white")  # readable on light and dark
    quiver.set(color="black", path_effects=[outline])


def fastest_of(*drifts: tuple[Array, Array]) -> float:
    """Return the largest speed of several drifts in m/s, at least a tiny one.

    Args:
        drifts: u and v of any shape, m/s; NaN is left out.
    """
    speeds = [np.hypot(*drift) for drift in drifts]
    return max(float(speed[np.isfinite(speed)].max(initial=0.0)) for speed in speeds) or 1e-6


def _even_subset(mesh: Mesh, distance: float) -> Array:
    """Numbers of the faces nearest to the middles of square bins, one per bin."""
    corner = mesh.nodes.min(axis=0)
    bins = np.floor((mesh.centres - corner) / distance).astype(np.int64)
    middle = (bins + 0.5) * distance + corner

    order = np.argsort(np.linalg.norm(mesh.centres - middle, axis=1), kind="stable")
    _, first = np.unique(bins[order], axis=0, return_index=True)

    return order[first]
