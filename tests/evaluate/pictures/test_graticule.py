"""Meridians and parallels: every label stands on its line, as another projection library says."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pyproj import CRS, Transformer

from gensim_graph.evaluate.pictures import face_map, mesh_figure
from gensim_graph.evaluate.pictures.graticule import draw_graticule
from gensim_graph.mesh import Mesh

NORTH, SOUTH = CRS.from_epsg(3413), CRS.from_epsg(3976)


def box(crs: CRS, x: float, y: float, size: float) -> Mesh:
    """A square of 6 x 6 cells around (x, y), m."""
    axis = size * (np.arange(6) - 2.5) / 6
    return Mesh.from_grid(x + axis, y + axis, crs=crs)


def degrees(text: str) -> float:
    sign = -1 if text[-1] in "SW" else 1
    return sign * float(text.rstrip("NSEW").rstrip("°"))


@pytest.mark.parametrize(
    "mesh",
    [
        box(NORTH, 0.0, -600e3, 500e3),
        box(NORTH, 0.0, 0.0, 5000e3),
        box(NORTH, 900e3, 300e3, 20e3),
        box(SOUTH, -800e3, 1500e3, 900e3),
    ],
    ids=["fram", "arctic", "small", "weddell"],
)
def test_labels_stand_on_their_lines(mesh: Mesh):
    ax = Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1))
    face_map(ax, mesh, np.zeros(mesh.n_faces))
    draw_graticule(ax, mesh)
    assert len(ax.texts) >= 4

    to_degrees = Transformer.from_crs(mesh.crs, "EPSG:4326", always_xy=True)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    tolerance = np.rad2deg(0.02 * (right - left) / 6371)
    for label in ax.texts:
        across, up = label.get_position()
        x, y = left + across * (right - left), bottom + up * (top - bottom)
        longitude, latitude = to_degrees.transform(1e3 * x, 1e3 * y)
        text = label.get_text()
        if text[-1] in "NS":
            assert abs(degrees(text) - latitude) < tolerance, text
        else:
            off = (degrees(text) - longitude + 180) % 360 - 180
            assert abs(off) * np.cos(np.deg2rad(latitude)) < tolerance, text


def test_both_kinds_are_labelled():
    """The cells of this grid have the same spacing up to rounding errors, which its histogram must bear."""
    figure = mesh_figure(box(NORTH, 0.0, -600e3, 500e3))
    kinds = {text.get_text()[-1] for text in figure.axes[0].texts}
    assert kinds == {"N", "W"}


def test_a_mesh_without_projection_has_none(small_mesh: Mesh):
    ax = Figure().add_subplot()
    draw_graticule(ax, small_mesh)
    assert not ax.collections
    assert not ax.texts
