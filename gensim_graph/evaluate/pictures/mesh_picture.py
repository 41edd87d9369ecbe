"""A mesh or a field as one map: faces, coast and open boundary, islands, meridians and parallels."""

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures.maps import (
    COLOUR_MAPS,
    DIVERGING_MAP,
    arrows,
    face_map,
    label,
    shared_norm,
    styled,
)
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import scale_factors, true_areas
from gensim_graph.mesh.planes import lonlat, plane_name, project, unit_vectors, unproject
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable

COAST, OPEN, OTHER, LAND = "#7a4a21", "#0072B2", "#CC79A7", "#d9cfc1"
_EDGES_UP_TO = 25_000  # faces; outlines of more would be all there is to see
_LONG = 8.0  # inches
_TOO_LARGE = 2.5  # scale factor


@styled
def mesh_map(
    mesh: Mesh,
    values: Array | None = None,
    variable: Variable | None = None,
    drift: tuple[Array, Array] | None = None,
    title: str = "",
) -> Figure:
    """Draw the spacing of a mesh, or a field on it.

    Coast is brown, the open boundary blue; islands, closed rings of coast inside the mesh, are filled.

    Args:
        mesh: the mesh.
        values: (face), the spacing in km when not given.
        variable: what the values are.
        drift: two components (face) of a vector along the axes of the plane, m/s, drawn as arrows.
        title: above the map.
    """
    low, high = _window(mesh)
    width, height = high - low
    scale = _LONG / max(width, height)
    figure = Figure(figsize=(max(scale * width, 3.5) + 2.2, max(scale * height, 3.0) + 1.0), layout="constrained")
    ax = figure.subplots()
    shown = _spacing(mesh) * KM_PER_METRE if values is None else values
    norm, cmap = _colours(shown, variable)
    image = face_map(ax, mesh, shown, cmap=cmap, norm=norm, title=title)

    if mesh.n_faces <= _EDGES_UP_TO:
        image.set(antialiased=True, linewidth=0.15, edgecolor="#00000040")

    _draw_islands(ax, mesh)
    _draw_boundaries(ax, mesh)
    _draw_graticule(ax, mesh)

    if drift is not None:
        longest = float(np.hypot(*drift).max())
        if longest > 0:
            arrows(ax, mesh, drift, scale=longest / 1.6, spacing=1 / 24)

    text = "spacing, square root of the true area (km)" if variable is None else label(variable)
    bar = figure.colorbar(image, ax=ax, label=text, shrink=0.8, extend=_beyond(shown, norm))

    if isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter("{x:g}")

    crs = plane_name(mesh.crs) if mesh.crs else "no crs"
    (left, bottom), (right, top) = low * KM_PER_METRE, high * KM_PER_METRE
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set(xlabel=f"x (km)      {mesh.n_faces:,} faces, {mesh.n_nodes:,} nodes, {crs}", ylabel="y (km)")
    ax.legend(loc="lower left", fontsize=8, frameon=True, framealpha=0.85)

    return figure


def _spacing(mesh: Mesh) -> Array:
    """On the Earth, where the mesh lies on it, (F,) m."""
    return mesh.spacing if mesh.crs is None else np.sqrt(true_areas(mesh))


def _window(mesh: Mesh) -> tuple[Array, Array]:
    """Lower left and upper right of what is shown: without what the plane draws much too large, as of a globe."""
    nodes = mesh.nodes
    if mesh.crs is not None:
        near = mesh.faces[scale_factors(mesh) < _TOO_LARGE]
        nodes = nodes[np.unique(near[near >= 0])] if len(near) else nodes

    low, high = nodes.min(axis=0), nodes.max(axis=0)
    margin = 0.01 * (high - low).max()

    return low - margin, high + margin


def _colours(values: Array, variable: Variable | None) -> tuple[Normalize, str | Colormap]:
    if variable is not None:
        cmap = DIVERGING_MAP if variable.vector else COLOUR_MAPS.get(variable.name, "viridis")
        return shared_norm([values], variable), cmap

    low, high = np.quantile(values, [0.002, 0.998])
    if high > 4.0 * low:  # a graded mesh
        return LogNorm(low, high), "cividis"

    return Normalize(low, high if high > low else 1.01 * low), "cividis"


def _beyond(values: Array, norm: Normalize) -> str:
    below, above = values.min() < (norm.vmin or 0.0), values.max() > (norm.vmax or 0.0)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        bool(below), bool(above)
    ]


def _draw_boundaries(ax: Axes, mesh: Mesh) -> None:
    kinds = mesh.boundary_kind
    for kind in np.unique(kinds):
        lines = mesh.nodes[mesh.boundary_edges[kinds == kind]] * KM_PER_METRE
        colour = {"coast": COAST, "open": OPEN}.get(str(kind), OTHER)
        thick = 1.6 if len(lines) < 2000 else 0.7
        text = f"{kind}, {len(lines):,} edges"
        ax.add_collection(LineCollection(list(lines), colors=colour, linewidths=thick, label=text), autolim=False)


def _draw_islands(ax: Axes, mesh: Mesh) -> None:
    """Land inside: holes of the mesh whose edges are all coast."""
    is_coast = mesh.boundary_kind == "coast"
    if not is_coast.any():
        return

    origin = mesh.nodes.mean(axis=0)
    edges = shapely.linestrings((mesh.nodes - origin)[mesh.boundary_edges[is_coast]])
    rings = np.asarray(shapely.get_parts(shapely.polygonize(list(edges))))
    with_faces = shapely.STRtree(shapely.points(mesh.centres - origin)).query(rings, predicate="contains")[0]
    land = np.delete(rings, np.unique(with_faces))  # what is left has no water in it

    if len(land) == 0:
        return

    shapes = [(np.asarray(ring.exterior.coords) + origin) * KM_PER_METRE for ring in land]
    ax.add_collection(PolyCollection(shapes, facecolor=LAND, edgecolor="none", label="land"), autolim=False)


def _draw_graticule(ax: Axes, mesh: Mesh) -> None:
    """Meridians and parallels, where the mesh lies on the Earth."""
    if mesh.crs is None:
        return

    lat = lonlat(unproject(mesh.nodes, mesh.crs))[1]
    span = float(lat.max() - lat.min())
    step = next((step for step in (1.0, 2.0, 5.0, 10.0, 20.0) if span / step <= 6.0), 30.0)
    fine = np.linspace(-180.0, 180.0, 721)
    low = max(-85.0, np.floor(lat.min() / step) * step)
    rows = [(fine, np.full_like(fine, value)) for value in np.arange(low, 90.0, step)]
    up = np.linspace(low, 90.0, 200)
    rows += [(np.full_like(up, value), up) for value in np.arange(-180.0, 180.0, 30.0 if span > 5.0 else step)]
    lines = [project(unit_vectors(*row), mesh.crs) * KM_PER_METRE for row in rows]
    lines = [np.where(np.isfinite(line), line, np.nan) for line in lines]
    ax.add_collection(LineCollection(lines, colors="#00000055", linewidths=0.5, linestyles=":"), autolim=False)
