"""One large map of a mesh, or of a field on it: faces, coast and open boundary, islands, meridians and parallels."""

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.graticule import draw_graticule
from gensim_graph.evaluate.pictures.maps import arrows, face_map, fastest_of
from gensim_graph.evaluate.pictures.style import bar_ends, colour_map, shared_norm, styled, variable_label
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import scale_factors, true_areas
from gensim_graph.mesh.planes import plane_name
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable

COAST, OPEN, OTHER, LAND = "#7a4a21", "#0072B2", "#CC79A7", "#d9cfc1"
"""Colours of the coast, the open boundary, other boundaries, and land."""

_OUTLINES_UP_TO = 25_000
"""Number of faces up to which outlines are drawn; with more faces the outlines would hide the colours."""

_LONGER_SIDE = 8.0
"""Longer side of the map, inches."""

_LARGEST_SCALE = 2.5
"""Faces that the plane magnifies more than this are cut off."""


@styled
def mesh_map(
    mesh: Mesh,
    values: Array | None = None,
    variable: Variable | None = None,
    drift: tuple[Array, Array] | None = None,
    title: str = "",
) -> Figure:
    """Draw the spacing of a mesh, or a field on it.

    The coast is brown, the open boundary blue; islands (closed rings of coast inside the mesh) are filled.

    Args:
        mesh: the mesh.
        values: (F,) in the units of ``variable``; by default the spacing in km.
        variable: the variable that the values belong to.
        drift: u and v (F,) of a vector along the axes of the plane, m/s, drawn as arrows.
        title: text above the map.
    """
    low, high = _window(mesh)
    shown = _true_spacing(mesh) * KM_PER_METRE if values is None else values
    norm, cmap = _colours(shown, variable)
    figure = _make_figure(*(high - low))
    ax = figure.subplots()
    image = face_map(ax, mesh, shown, cmap=cmap, norm=norm, title=title)

    if mesh.n_faces <= _OUTLINES_UP_TO:
        image.set(antialiased=True, linewidth=0.15, edgecolor="#00000040")

    _draw_islands(ax, mesh)
    _draw_boundaries(ax, mesh)

    if drift is not None:
        arrows(ax, mesh, drift, scale=fastest_of(drift) / 1.6, spacing=1 / 24)

    text = "spacing, square root of the true area (km)" if variable is None else variable_label(variable)
    bar = figure.colorbar(image, ax=ax, label=text, shrink=0.8, extend=bar_ends(norm, [shown]))
    if isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter("{x:g}")

    crs = plane_name(mesh.crs) if mesh.crs else "no crs"
    (left, bottom), (right, top) = low * KM_PER_METRE, high * KM_PER_METRE
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set(xlabel=f"x (km)      {mesh.n_faces:,} faces, {mesh.n_nodes:,} nodes, {crs}", ylabel="y (km)")
    draw_graticule(ax, mesh)
    ax.legend(loc="lower left", fontsize=8, frameon=True, framealpha=0.85)

    return figure


def _make_figure(width: float, height: float) -> Figure:
    """Figure in the shape of a window, with room for labels and the colour bar."""
    scale = _LONGER_SIDE / max(width, height)
    size = (max(scale * width, 3.5) + 2.2, max(scale * height, 3.0) + 1.0)
    return Figure(figsize=size, layout="constrained")


def _true_spacing(mesh: Mesh) -> Array:
    """Spacing (F,) in m; for a mesh with a map projection, on the Earth instead of in the plane."""
    return mesh.spacing if mesh.crs is None else np.sqrt(true_areas(mesh))


def _window(mesh: Mesh) -> tuple[Array, Array]:
    """Lower left and upper right corner of the map, m; faces that the plane magnifies too much are cut off."""
    nodes = mesh.nodes
    if mesh.crs is not None:
        near = mesh.faces[scale_factors(mesh) < _LARGEST_SCALE]
        nodes = nodes[np.unique(near[near >= 0])] if len(near) else nodes

    low, high = nodes.min(axis=0), nodes.max(axis=0)
    margin = 0.01 * (high - low).max()

    return low - margin, high + margin


def _colours(values: Array, variable: Variable | None) -> tuple[Normalize, str | Colormap]:
    """Colour scale and colour map; logarithmic for the spacing of a graded mesh."""
    if variable is not None:
        return shared_norm([values], variable), colour_map(variable)

    low, high = np.quantile(values, [0.002, 0.998])
    if high > 4.0 * low:
        return LogNorm(low, high), "cividis"

    return Normalize(low, high if high > low else 1.01 * low), "cividis"


def _draw_boundaries(ax: Axes, mesh: Mesh) -> None:
    """Draw each kind of boundary in its colour, with its number of edges for the legend."""
    kinds = mesh.boundary_kind

    for kind in np.unique(kinds):
        lines = mesh.nodes[mesh.boundary_edges[kinds == kind]] * KM_PER_METRE
        colour = {"coast": COAST, "open": OPEN}.get(str(kind), OTHER)
        linewidth = 1.6 if len(lines) < 2000 else 0.7
        text = f"{kind}, {len(lines):,} edges"
        ax.add_collection(LineCollection(list(lines), colors=colour, linewidths=linewidth, label=text), autolim=False)


def _draw_islands(ax: Axes, mesh: Mesh) -> None:
    """Fill the land inside the mesh: holes whose edges are all coast."""
    is_coast = mesh.boundary_kind == "coast"
    if not is_coast.any():
        return

    origin = mesh.nodes.mean(axis=0)
    edges = shapely.linestrings((mesh.nodes - origin)[mesh.boundary_edges[is_coast]])
    rings = np.asarray(shapely.get_parts(shapely.polygonize(list(edges))))
    with_faces = shapely.STRtree(shapely.points(mesh.centres - origin)).query(rings, predicate="contains")[0]
    land = np.delete(rings, np.unique(with_faces))  # rings that contain faces surround water

    if len(land) == 0:
        return

    shapes = [(np.asarray(ring.exterior.coords) + origin) * KM_PER_METRE for ring in land]
    ax.add_collection(PolyCollection(shapes, facecolor=LAND, edgecolor="none", label="land"), autolim=False)
