"""Ice edge of circles and bands with known length, width and distance, and areas by hand."""

import numpy as np
import pytest
import shapely
import xarray as xr
from support.examples import regular_grid
from support.meshes import BOX, jittered_box
from support.verification import forecast_of, truth_of

from gensim_graph.evaluate import match
from gensim_graph.evaluate.verify import ice_scores, iiee
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Contour, ContourFinder
from gensim_graph.variables import default_variables

KM = 1e3


def ramp(mesh: Mesh, radius: float, width: float, centre: tuple[float, float] = (BOX / 2, BOX / 2)) -> np.ndarray:
    """A round floe: concentration falls from 0.8 to 0.15 over a width (m) that ends at a radius (m)."""
    distance = np.linalg.norm(mesh.centres - centre, axis=1)
    return np.clip(0.15 + 0.65 * (radius - distance) / width, 0, 1)


def scores(mesh: Mesh, members: list[np.ndarray], truth: np.ndarray) -> xr.Dataset:
    forecast = mesh_to_dataset(mesh).merge(forecast_of(np.stack(members)[None, :, None], "sic"))
    found = ice_scores({"forecast": match(forecast, truth_of(np.stack([truth] * 2), "sic"), default_variables())})
    return found.set_index("model")


@pytest.mark.parametrize("mesh", [jittered_box(60), regular_grid(60)], ids=["triangles", "squares"])
def test_line_around_a_round_floe(mesh: Mesh):
    values = np.linalg.norm(mesh.nodes - BOX / 2, axis=1)
    line = ContourFinder(mesh)(values, 30 * KM)
    assert line.length == pytest.approx(2 * np.pi * 30 * KM, rel=0.002)
    radius = np.linalg.norm(line.pieces - BOX / 2, axis=-1)
    np.testing.assert_allclose(radius, 30 * KM, rtol=0.003)


def test_a_line_is_exact_for_a_linear_field(small_mesh: Mesh):
    x, y = small_mesh.nodes.T
    line = ContourFinder(small_mesh)(x + 2 * y, 130 * KM)
    np.testing.assert_allclose(line.pieces @ [1, 2], 130 * KM)
    expected = shapely.LineString([(-70 * KM, 100 * KM), (130 * KM, 0)]).intersection(shapely.box(0, 0, BOX, BOX))
    assert line.length == pytest.approx(expected.length)


def test_no_line_where_the_ice_lies_against_the_coast(small_mesh: Mesh):
    assert ContourFinder(small_mesh)(np.ones(small_mesh.n_nodes), 0.15).length == 0


def test_distance_to_a_line_is_not_that_to_its_middles():
    long = Contour(np.array([[[0.0, 0.0], [100.0, 0.0]]]))
    short = Contour(np.array([[[90.0, 3.0], [92.0, 3.0]], [[0.0, 5.0], [6.0, 5.0]]]))
    assert short.mean_distance(long) == pytest.approx((2 * 3 + 6 * 5) / 8)
    assert np.isnan(short.mean_distance(Contour(np.empty((0, 2, 2)))))


def test_parts_of_the_edge_error_by_hand():
    """O = 1 + 3 km2, U = 2 km2 (Goessling et al. 2016, equations 1 to 4)."""
    areas = np.array([1.0, 2.0, 3.0, 5.0, 7.0]) * KM**2
    forecast, truth = np.array([1, 0, 1, 1, 0], bool), np.array([0, 1, 0, 1, 0], bool)
    parts = iiee(forecast, truth, areas)
    assert parts == {"overestimate": 4, "underestimate": 2, "iiee": 6, "extent_part": 2, "misplacement": 4}


def test_round_floes():
    """Amounts, edge and marginal ice zone of a floe, and scores of a floe with a radius larger by 5 km."""
    mesh = jittered_box(80)
    small, large = ramp(mesh, 30 * KM, 10 * KM), ramp(mesh, 35 * KM, 10 * KM)
    table = scores(mesh, [large], small)
    truth, forecast = table.loc["truth"], table.loc["forecast"]
    assert truth["extent"] == pytest.approx(np.pi * 30**2, rel=0.01)
    assert truth["area"] == pytest.approx(mesh.areas @ small / KM**2)
    assert truth["edge_length"] == pytest.approx(2 * np.pi * 30, rel=0.01)
    assert truth["miz_width"] == pytest.approx(10, rel=0.02)
    assert forecast["extent_error"] == pytest.approx(np.pi * (35**2 - 30**2), rel=0.03)
    assert forecast["overestimate"] == forecast["iiee"] == forecast["extent_part"] == forecast["sps"]
    assert forecast["misplacement"] == 0
    assert forecast["edge_distance"] == pytest.approx(5, rel=0.02)
    assert forecast["edge_hausdorff"] == pytest.approx(5, rel=0.02)


def test_a_floe_in_the_wrong_place():
    mesh = jittered_box(80)
    truth, moved = ramp(mesh, 20 * KM, 10 * KM), ramp(mesh, 20 * KM, 10 * KM, (BOX / 2 + 6 * KM, BOX / 2))
    row = scores(mesh, [moved], truth).loc["forecast"]
    assert row["extent_part"] < 0.02 * row["misplacement"]
    crescent = shapely.Point(0, 0).buffer(20, 256) - shapely.Point(6, 0).buffer(20, 256)
    assert row["iiee"] == pytest.approx(2 * crescent.area, rel=0.05)
    angle = np.linspace(0, np.pi, 1000)  # mean distance from a circle to a displaced one
    expected = np.abs(np.hypot(20 * np.cos(angle) - 6, 20 * np.sin(angle)) - 20).mean()
    assert row["edge_distance"] == pytest.approx(expected, rel=0.03)


def test_members_and_their_median():
    """One member too large, one too small, one right: the median is right, the mean error is not zero."""
    mesh = jittered_box(50)
    floes = [ramp(mesh, radius * KM, 5 * KM) for radius in (20, 30, 40)]
    table = scores(mesh, floes, floes[1])
    assert table.loc["forecast, median", "iiee"] == 0
    extents = [(mesh.areas @ (floe > 0.15)) / KM**2 for floe in floes]
    small, right, large = extents
    assert table.loc["forecast", "iiee"] == pytest.approx((large - small) / 3)
    assert table.loc["forecast", "extent"] == pytest.approx(np.mean(extents))
    assert table.loc["forecast", "sps"] == pytest.approx((large - right + right - small) / 9)


def test_volume_and_no_mesh():
    """Without a mesh there are areas but no contours; the thickness gives a volume."""
    areas = np.array([2.0, 4.0]) * KM**2
    truth = truth_of(np.ones((2, 2)), "sic").merge(truth_of(np.array([[1.0, 1], [2, 1]])))
    forecast = forecast_of(np.ones((1, 1, 1, 2)), "sic").merge(forecast_of(np.full((1, 1, 1, 2), 3.0)))
    table = ice_scores({"forecast": match(forecast, truth, default_variables(), areas)}).set_index("model")
    assert table.loc["truth", "volume"] == pytest.approx((2 * 2 + 4 * 1) / KM)
    assert table.loc["forecast", "volume_error"] == pytest.approx((18 - 8) / KM)
    assert np.isnan(table.loc["forecast", "edge_distance"])


def test_interval_over_starts():
    """Ten starts, half of them with one face too many: interval of their mean; three starts have no interval."""
    areas, truth = np.ones(3) * KM**2, truth_of(np.zeros((21, 3)), "sic")
    values = np.zeros((10, 1, 1, 3))
    values[::2, ..., 0] = 1
    row = ice_scores({"forecast": match(forecast_of(values, "sic"), truth, default_variables(), areas)})
    row = row.set_index("model").loc["forecast"]
    assert row["iiee"] == 0.5
    assert row["iiee_high"] - row["iiee_low"] == pytest.approx(2 * 1.645 * 0.5 / np.sqrt(10), rel=0.25)
    few = ice_scores({"forecast": match(forecast_of(values[:3], "sic"), truth, default_variables(), areas)})
    assert few["iiee_low"].isna().all()
