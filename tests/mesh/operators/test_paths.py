"""Points that drift: search against scipy, motion on circles, and virtual buoys with a known error."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.spatial import Delaunay
from support.examples import graded_mesh, island_grid, regular_grid
from support.meshes import BOX, jittered_box
from support.verification import START, STEP

from gensim_graph.evaluate import match
from gensim_graph.evaluate.verify import buoy_errors
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Drift, Locator, advect, node_operator
from gensim_graph.variables import default_variables

MESHES = {"triangles": jittered_box(20), "squares": regular_grid(20), "graded": graded_mesh(12)}


@pytest.fixture(params=MESHES)
def mesh(request) -> Mesh:
    return MESHES[request.param]


def test_points_are_found():
    mesh = jittered_box(20)
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.1 * BOX, 1.1 * BOX, (2000, 2))
    delaunay = Delaunay(mesh.nodes)
    expected = delaunay.find_simplex(points) >= 0
    locator = Locator(mesh)
    places = locator.locate(points, np.zeros(2000, dtype=np.int64))  # all the way from one corner
    np.testing.assert_array_equal(places.inside, expected)
    at = np.einsum("pc,pcx->px", places.shares, mesh.nodes[locator.triangles[places.triangles]])
    np.testing.assert_allclose(at[expected], points[expected], atol=1e-6)


def test_walks_end_at_an_island():
    """A point on land is not found, one beside it is."""
    mesh = island_grid(20)
    locator = Locator(mesh)
    land, water = np.array([[0.42, 0.42]]) * BOX, np.array([[0.2, 0.42]]) * BOX
    near = locator.nearest(water)
    assert not locator.locate(land, near).inside[0]
    assert locator.locate(water + 1e3, near).inside[0]


def test_nodes_get_linear_fields_exactly(mesh: Mesh):
    x, y = mesh.centres.T
    np.testing.assert_allclose(node_operator(mesh) @ (3 * x - 2 * y + 1e3), mesh.nodes @ [3, -2] + 1e3, atol=1e-6)


@pytest.mark.parametrize("backward", [False, True])
def test_a_solid_rotation_leads_round_a_circle(backward: bool):
    """Half a turn that speeds up: the angle is the integral of the rate."""
    mesh = jittered_box(20)
    locator = Locator(mesh)
    spin = mesh.nodes[:, ::-1] * [-1, 1] - BOX / 2 * np.array([-1, 1])
    rate = np.array([1.0, 3.0]) * np.pi / 2 / 86_400  # mean: pi a day
    drift = Drift(rate[0] * spin[None], rate[1] * spin[None], 86_400.0)
    begin = BOX / 2 + np.array([[30e3, 0.0], [0.0, 20e3], [5e3, 5e3]])
    found, places = advect(locator, begin, locator.nearest(begin), np.zeros(3, int), drift, 40, backward)
    assert places.inside.all()
    np.testing.assert_allclose(found, BOX - begin, atol=1.0)


def test_steps_are_of_fourth_order():
    mesh = jittered_box(20)
    locator = Locator(mesh)
    spin = mesh.nodes[:, ::-1] * [-1, 1] - BOX / 2 * np.array([-1, 1])
    drift = Drift(*(np.pi / 86_400 * spin[None],) * 2, 86_400.0)
    begin = BOX / 2 + np.array([[30e3, 0.0]])
    errors = []
    for steps in (4, 8, 16):
        found, _ = advect(locator, begin, locator.nearest(begin), np.zeros(1, int), drift, steps)
        errors.append(np.linalg.norm(found - (BOX - begin)))
    assert np.log2(errors[0] / errors[1]) > 3.7
    assert np.log2(errors[1] / errors[2]) > 3.7


def dataset(mesh: Mesh, u: np.ndarray, v: np.ndarray, sic: np.ndarray, lead_hours: int = 12) -> xr.Dataset:
    """Forecast (M, leads, F) of a drift and a concentration (leads, F)."""
    leads = (np.arange(u.shape[1]) + 1) * np.timedelta64(lead_hours, "h")
    dims = ("member", "lead_time", "face")
    fields = {"siu": (dims, u), "siv": (dims, v), "sic": (dims, np.broadcast_to(sic, u.shape))}
    coords = {"lead_time": leads.astype("timedelta64[ns]"), "valid_time": ("lead_time", START + leads)}
    return mesh_to_dataset(mesh).assign(fields).assign_coords(coords)


def reality(mesh: Mesh, u: np.ndarray, v: np.ndarray, sic: np.ndarray) -> xr.Dataset:
    """Truth (times, F), the first of which is the start."""
    dims = ("time", "face")
    times = START + np.arange(len(u)) * STEP
    return xr.Dataset(
        {"siu": (dims, u), "siv": (dims, v), "sic": (dims, np.broadcast_to(sic, u.shape))}, {"time": times}
    )


def errors(forecast: xr.Dataset, truth: xr.Dataset, **options: int) -> pd.DataFrame:
    return buoy_errors({"forecast": match(forecast, truth, default_variables())}, **options).set_index("lead_hours")


def test_buoys_in_uniform_drifts(mesh: Mesh):
    """The truth drifts east, one member north at the same speed, one member east at twice the speed.

    All start with the drift of the truth, and speeds are linear in time: the displacement of a member over the first
    12 h is half from the truth and half from the member.
    """
    speed, faces = 0.02, mesh.n_faces
    ones, nothing = np.ones((3, faces)), np.zeros((3, faces))
    middle = np.linalg.norm(mesh.centres - mesh.centres.mean(axis=0), axis=1) < 0.25 * np.ptp(mesh.nodes)
    sic = np.where(middle, 1.0, 0.0)
    sic = np.stack([sic, np.ones(faces), np.ones(faces)])
    u = speed * np.stack([nothing[:2], 2 * ones[:2]])
    v = speed * np.stack([ones[:2], nothing[:2]])
    table = errors(dataset(mesh, u, v, np.ones(faces)), reality(mesh, speed * ones, nothing, sic), buoys=50)
    half = 43.2e3 * speed / 1e3 / 2  # km
    first, second = table.loc[12.0], table.loc[24.0]
    assert first["buoys"] > 0
    assert first["displacement"] == pytest.approx(2 * half)
    assert first["separation"] == pytest.approx((np.hypot(half, half) + half) / 2)
    assert first["mean_separation"] == pytest.approx(np.hypot(0, half / 2))
    assert second["separation"] == pytest.approx(3 * first["separation"])
    assert second["displacement"] == pytest.approx(4 * half)
    spread = np.hypot(half, 2 * half) ** 2 / 4 * 2  # both members are half their distance from the mean
    assert first["spread"] == pytest.approx(np.sqrt(1.5 * spread))
    assert second["skill"] == pytest.approx(1 - (4 * first["separation"]) / (2 * half + 4 * half))


def test_the_truth_makes_no_error(mesh: Mesh):
    rng = np.random.default_rng(0)
    u, v = 0.05 * rng.normal(size=(2, 4, mesh.n_faces))
    forecast = dataset(mesh, u[None, 1:], v[None, 1:], np.ones(mesh.n_faces))
    table = errors(forecast, reality(mesh, u, v, np.ones(mesh.n_faces)))
    np.testing.assert_allclose(table["separation"], 0, atol=1e-9)
    np.testing.assert_allclose(table["skill"], 1)
    assert table["spread"].isna().all()


def test_buoys_start_on_ice_and_are_lost_with_it(small_mesh: Mesh):
    still = np.zeros((3, small_mesh.n_faces))
    west = small_mesh.centres[:, 0] < BOX / 2
    south = small_mesh.centres[:, 1] < BOX / 2
    sic = np.stack([west, west & south, still[0] > 0]).astype(float)
    table = errors(
        dataset(small_mesh, still[None, 1:], still[None, 1:], np.ones(small_mesh.n_faces)),
        reality(small_mesh, still, still, sic),
        buoys=1000,
    )
    assert table.loc[12.0, "buoys"] == pytest.approx(500, abs=60)
    assert table.loc[24.0, "buoys"] == 0
    assert np.isnan(table.loc[24.0, "separation"])


def test_no_start_no_buoys(small_mesh: Mesh):
    still = np.zeros((2, small_mesh.n_faces))
    forecast = dataset(small_mesh, still[None], still[None], np.ones(small_mesh.n_faces))
    truth = reality(small_mesh, np.zeros((3, small_mesh.n_faces)), np.zeros((3, small_mesh.n_faces)), 1.0)
    assert len(errors(forecast, truth)) == 2
    assert errors(forecast, truth.isel(time=[1, 2])).empty
