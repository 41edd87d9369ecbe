"""Meridians and parallels on a map, with their longitude and latitude at the edge of the map."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from pyproj import CRS

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import lonlat, project, unit_vectors, unproject
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0)  # degrees between two lines
_LINES = 5  # wanted, of each kind
_POINTS = 120  # of each line
_NEAREST = 0.09  # smallest distance of two labels, as a share of the panel

_PARALLEL_EDGES, _MERIDIAN_EDGES = ("left", "right", "bottom", "top"), ("bottom", "top", "left", "right")
"""Edges at which a line is labelled, in order of preference."""

_ALIGNMENT = {
    "left": {"ha": "left", "va": "center"},
    "right": {"ha": "right", "va": "center"},
    "bottom": {"ha": "center", "va": "bottom"},
    "top": {"ha": "center", "va": "top"},
}


@dataclass(frozen=True, eq=False)
class GraticuleLine:
    """A meridian or a parallel.

    Attributes:
        text: its label, such as ``80°N``.
        edges: edges at which it is labelled, in order of preference.
        points: (P, 2) in the plane of the mesh, km; NaN where the projection does not reach.
    """

    text: str
    edges: tuple[str, ...]
    points: Array


def draw_graticule(ax: Axes, mesh: Mesh, labels: bool = True, smooth: bool = True) -> None:
    """Draw meridians and parallels into a map; nothing if the mesh has no map projection.

    Args:
        ax: the panel, in km, with its final limits.
        mesh: the mesh.
        labels: True to write longitude and latitude where the lines leave the map.
        smooth: False for lines of one colour: smoothed edges over a map need thousands of colours, too many for the
            palette of a file.
    """
    if mesh.crs is None:
        return

    lines = graticule_lines(mesh, mesh.crs)
    points = [line.points for line in lines]
    style = {"colors": "#00000050", "linewidths": 0.5} if smooth else {"colors": "#909090", "linewidths": 0.3}
    drawn = LineCollection(points, **style, antialiaseds=smooth, zorder=3)
    drawn.set_in_layout(False)
    ax.add_collection(drawn, autolim=False)

    if labels:
        _label(ax, lines)


@lru_cache(maxsize=4)
def graticule_lines(mesh: Mesh, crs: CRS) -> tuple[GraticuleLine, ...]:
    """Choose about five meridians and five parallels over a mesh; the result is cached.

    Args:
        mesh: the mesh.
        crs: its map projection.
    """
    lon, lat = lonlat(unproject(mesh.nodes, crs))
    south, north = _with_margin(float(lat.min()), float(lat.max()), 90.0)
    west, east = _longitudes(lon)
    step = _step(float(np.ptp(lat)))

    parallels = np.arange(np.ceil(south / step), np.floor(north / step) + 1) * step
    parallels = parallels[np.abs(parallels) < 89.99]
    # Towards a pole meridians converge: every other line would only fill it.
    step = _step(east - west)
    meridians = np.arange(np.ceil(west / step), np.floor(east / step) + 1) * step
    meridians = np.unique((meridians + 180.0) % 360.0 - 180.0)

    across, along = np.linspace(west, east, _POINTS), np.linspace(south, north, _POINTS)
    lines = [(_latitude_text(at), _PARALLEL_EDGES, across, np.full(_POINTS, at)) for at in parallels]
    lines += [(_longitude_text(at), _MERIDIAN_EDGES, np.full(_POINTS, at), along) for at in meridians]

    return tuple(GraticuleLine(text, edges, _in_plane(crs, *points)) for text, edges, *points in lines)


def _in_plane(crs: CRS, longitude: Array, latitude: Array) -> Array:
    """Points (P, 2) in a plane, km; NaN beyond the projection."""
    points = project(unit_vectors(longitude, latitude), crs) * KM_PER_METRE
    return np.where(np.isfinite(points), points, np.nan)


def _with_margin(low: float, high: float, limit: float) -> tuple[float, float]:
    """Widen an interval by half of its length on both sides: the corners of a map lie beyond the mesh."""
    margin = 0.5 * (high - low)
    return max(low - margin, -limit), min(high + margin, limit)


def _longitudes(lon: Array) -> tuple[float, float]:
    """West and east end of the longitudes (N,) of a mesh, degrees; the whole circle around a pole."""
    ordered = np.sort(lon % 360.0)
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    widest = int(gaps.argmax())
    span = 360.0 - float(gaps[widest])

    if span > 150.0:
        return -180.0, 180.0

    west = float(ordered[(widest + 1) % len(ordered)])
    return west - 0.5 * span, west + 1.5 * span


def _step(span: float) -> float:
    """Distance between lines so that about ``_LINES`` cross a span, degrees."""
    return next((step for step in _STEPS if span / step <= _LINES + 1), _STEPS[-1])


def _latitude_text(degrees: float) -> str:
    return f"{abs(degrees):.4g}°{'N' if degrees > 0 else 'S' if degrees < 0 else ''}"


def _longitude_text(degrees: float) -> str:
    degrees = (degrees + 180.0) % 360.0 - 180.0
    east = "" if degrees in (0.0, -180.0) else "E" if degrees > 0 else "W"
    return f"{abs(degrees):.4g}°{east}"


def _label(ax: Axes, lines: tuple[GraticuleLine, ...]) -> None:
    """Write the labels that do not overlap."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    corner, size = np.array([left, bottom]), np.array([right - left, top - bottom])
    outline = withStroke(linewidth=1.6, foreground="#ffffffcc")
    placed: list[Array] = []

    for line in lines:
        shares = (line.points - corner) / size
        found = _crossings(shares) or _on_closed_line(shares)
        edge = next((edge for edge in line.edges if edge in found), None)
        if edge is None:
            continue

        at = np.clip(found[edge], 0.012, 0.988)
        if all(np.abs(at - other).max() > _NEAREST for other in placed):
            placed.append(at)
            text = ax.text(float(at[0]), float(at[1]), line.text, transform=ax.transAxes, fontsize=6.5, zorder=4)
            text.set(color="#222222", path_effects=[outline], in_layout=False, **_alignment(edge, float(at[0])))


def _alignment(edge: str, across: float) -> dict[str, str]:
    """Alignment of a label so that it stays inside the map; ``across``: its place as a share of the width."""
    if across < _NEAREST:
        return _ALIGNMENT[edge] | {"ha": "left"}
    if across > 1 - _NEAREST:
        return _ALIGNMENT[edge] | {"ha": "right"}

    return _ALIGNMENT[edge]


def _on_closed_line(points: Array) -> dict[str, Array]:
    """Place (2,) on a parallel that runs around the pole within the map; nothing for a line outside of the map."""
    inside = ((points > 0.0) & (points < 1.0)).all()
    return {"left": points[0]} if inside else {}


def _crossings(points: Array) -> dict[str, Array]:
    """Places (2,) where a line crosses the edges of a map: edge -> last crossing of it.

    Args:
        points: (P, 2) of the line, as shares of the width and height of the map.
    """
    found = {}

    for axis, level, edge in ((0, 0.0, "left"), (0, 1.0, "right"), (1, 0.0, "bottom"), (1, 1.0, "top")):
        here, there = points[:-1, axis], points[1:, axis]
        for first in np.flatnonzero((here - level) * (there - level) < 0):
            share = (level - here[first]) / (there[first] - here[first])
            place = points[first] + share * (points[first + 1] - points[first])
            if 0.0 <= place[1 - axis] <= 1.0:
                found[edge] = place

    return found
