"""Open water: quantities of the ice are hidden where there is none, on maps of polygons and of pixels alike."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from gensim_graph.evaluate.pictures import face_map, maps, only_ice
from gensim_graph.evaluate.pictures.maps import arrows
from gensim_graph.evaluate.pictures.open_water import WATER
from gensim_graph.evaluate.pictures.style import bar_ends, difference_norm, shared_norm
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables


def test_faces_below_15_percent_are_hidden():
    damage, concentration = np.array([0.0, 1.0, 0.5]), np.array([0.149, 0.15, 1.0])
    np.testing.assert_array_equal(only_ice(damage, concentration), [np.nan, 1.0, 0.5])


@pytest.mark.parametrize("polygons_up_to", [0, 1_000])
def test_water_has_its_colour_and_land_the_background(polygons_up_to: int, monkeypatch: pytest.MonkeyPatch):
    """Of three squares in a row of four, one is water; the fourth place is outside of the mesh."""
    monkeypatch.setattr(maps, "POLYGONS_UP_TO", polygons_up_to)
    nodes = np.array([[x, y] for x in (0.0, 1e3, 2e3, 3e3, 4e3) for y in (0.0, 1e3)])
    nodes[-2:, 0] += np.array([0.0, 1.0])
    mesh = Mesh.from_faces(nodes, np.array([[0, 2, 3, 1], [2, 4, 5, 3], [6, 8, 9, 7]]))
    figure = Figure(figsize=(4, 1), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    face_map(ax, mesh, np.array([1.0, np.nan, 1.0]), cmap="Reds")
    ax.set(aspect="auto", xlim=(0, 4), ylim=(0, 1))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()

    ice, water, outside, again = np.asarray(canvas.buffer_rgba())[50, [50, 150, 250, 350], :3] / 255
    np.testing.assert_allclose(water, to_rgb(WATER), atol=0.01)
    np.testing.assert_allclose(outside, to_rgb("#e6e6e6"), atol=0.01)
    np.testing.assert_allclose(ice, again)
    assert not np.allclose(ice, water, atol=0.1)


def test_no_arrows_on_water(small_mesh: Mesh):
    u = np.where(small_mesh.centres[:, 0] < 50e3, 0.1, np.nan)
    ax = Figure().add_subplot()
    face_map(ax, small_mesh, u)
    arrows(ax, small_mesh, (u, np.ones_like(u)), scale=0.1)
    (quiver,) = (item for item in ax.collections if isinstance(item, Quiver))
    assert quiver.N > 0
    assert quiver.XY[:, 0].max() < 50
    arrows(ax, small_mesh, (0 * u, 0 * u), scale=0.1)  # no drift, no arrows, no error


def test_scales_leave_out_water():
    sid = default_variables()["sid"]
    field = np.array([0.2, np.nan, 0.6])
    assert shared_norm([field], sid).vmin == pytest.approx(0.202)
    assert difference_norm([field]).vmin == -difference_norm([field]).vmax
    assert bar_ends(shared_norm([np.array([0.3, 0.5])], sid), [field]) == "both"
    nothing = np.full(3, np.nan)
    assert shared_norm([nothing], sid).vmax == 1.0
    assert difference_norm([nothing]).vmax == 1.0
