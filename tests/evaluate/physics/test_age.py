"""Age of the ice: uniform drift, rotation, ice at rest, convergence, and new ice."""

import numpy as np
import pytest
import xarray as xr
from support.examples import regular_grid
from support.meshes import BOX, jittered_box

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics import ice_age
from gensim_graph.evaluate.physics.age import ages_in_time
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh

DAY = 86_400.0


def run_of(
    mesh: Mesh, u: np.ndarray, v: np.ndarray, sic: np.ndarray | float, times: int, hours: int = 24
) -> xr.Dataset:
    """Dataset of a drift that is constant in time."""
    stamps = np.datetime64("2000-01-01", "ns") + np.arange(times) * np.timedelta64(hours, "h")
    shape = (times, mesh.n_faces)
    fields = {"siu": u, "siv": v, "sic": sic}
    columns = {name: (("time", "face"), np.broadcast_to(values, shape)) for name, values in fields.items()}
    return mesh_to_dataset(mesh).assign(columns).assign_coords(time=stamps)


def hump(points: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    return 100 * np.exp(-(np.linalg.norm(points - centre, axis=1) ** 2) / 2 / 12e3**2)


@pytest.mark.parametrize("make", [jittered_box, regular_grid], ids=["triangles", "squares"])
def test_a_hump_moves_with_a_uniform_drift(make):
    """After ten days the hump is displaced and ten days older; the error falls with the square of the spacing.

    The error depends on the position within a cell at which the displacement of one day ends. It is half a cell on the
    coarse mesh, and one and a half cells on the mesh that is three times finer.
    """
    errors = []
    for cells in (20, 60):
        mesh = make(cells)
        speed = np.full(mesh.n_faces, 0.5 * BOX / 20 / DAY)
        begin, end = (0.35 * BOX, 0.4 * BOX), (0.6 * BOX, 0.65 * BOX)
        age = ice_age(run_of(mesh, speed, speed, 1.0, 11), initial=hump(mesh.centres, begin))
        inner = (mesh.centres > 0.3 * BOX).all(axis=1)  # cells whose ice was inside the domain all the time
        errors.append(np.abs(age[-1].values - hump(mesh.centres, end) - 10)[inner].mean())
    assert errors[1] < errors[0] / 8  # second order: the exact factor is 9
    assert errors[1] < 1.0  # the hump is 100 days high


def test_what_is_linear_moves_exactly():
    """Exact on triangles too, although their corners lie beyond the centres of their neighbours."""
    mesh = jittered_box(20)
    drift, slope = np.array([0.7e3, -0.9e3]) / DAY, np.array([2.0, 1.0]) / 1e3
    still = np.zeros(mesh.n_faces)
    age = ice_age(run_of(mesh, still + drift[0], still + drift[1], 1.0, 2), initial=500 + mesh.centres @ slope)
    inner = (np.abs(mesh.centres - BOX / 2) < 0.4 * BOX).all(axis=1)
    expected = 501 + (mesh.centres - DAY * drift) @ slope
    np.testing.assert_allclose(age[-1].values[inner], expected[inner])


def test_half_a_turn():
    mesh = jittered_box(50)
    rate = np.pi / 10 / DAY
    x, y = (mesh.centres - BOX / 2).T
    ds = run_of(mesh, -rate * y, rate * x, 1.0, 11)
    age = ice_age(ds, initial=hump(mesh.centres, (0.3 * BOX, 0.5 * BOX)))[-1].values
    expected = hump(mesh.centres, (0.7 * BOX, 0.5 * BOX)) + 10
    inner = np.hypot(x, y) < 0.45 * BOX
    assert np.abs(age - expected)[inner].mean() < 1.0
    assert age.max() < 110 + 1e-9  # no new extremes
    assert age.min() >= 10 - 1e-9


def test_ice_at_rest_keeps_its_age():
    mesh = jittered_box(20)
    rough = np.random.default_rng(0).uniform(0, 1000, mesh.n_faces)
    still = np.zeros(mesh.n_faces)
    age = ice_age(run_of(mesh, still, still, 1.0, 5, 12), initial=rough)
    np.testing.assert_allclose(age[-1], rough + 2)


def test_convergence_changes_no_age():
    mesh = jittered_box(20)
    x, y = (mesh.centres - BOX / 2).T
    age = ice_age(run_of(mesh, -1e-7 * x, -1e-7 * y, 1.0, 4), initial=np.full(mesh.n_faces, 7.0))
    np.testing.assert_allclose(age, 7 + np.arange(4)[:, None] * np.ones(mesh.n_faces))


def test_new_ice_is_young_and_water_has_no_age():
    """Open water everywhere, then ice in the east that persists: after one day it is one day old."""
    mesh = jittered_box(20)
    east, still = mesh.centres[:, 0] > BOX / 2, np.zeros(mesh.n_faces)
    sic = np.stack([still, east, east]).astype(float)
    age = ice_age(run_of(mesh, still, still, sic, 3), initial=still + 500).values
    assert age[0].max() == 0
    np.testing.assert_allclose(age[1], np.where(east, 1, 0))
    np.testing.assert_allclose(age[2], np.where(east, 2, 0))


def test_members_have_their_own_drift():
    mesh = jittered_box(20)
    still = np.zeros(mesh.n_faces)
    runs = [run_of(mesh, still + speed, still, 1.0, 4) for speed in (0.0, 0.05)]
    start = hump(mesh.centres, (0.5 * BOX, 0.5 * BOX))
    together = xr.concat([run[["siu", "siv", "sic"]] for run in runs], "member")
    ages = ice_age(together.transpose("time", ...), mesh, start)
    assert ages.dims == ("member", "time", "face")
    for member, run in enumerate(runs):
        np.testing.assert_allclose(ages[member], ice_age(run, initial=start))
    np.testing.assert_allclose(np.stack(list(ages_in_time(together, mesh, start))), ages.transpose("time", ...))


def test_what_is_missing():
    mesh = jittered_box(4)
    ds = run_of(mesh, np.zeros(mesh.n_faces), np.zeros(mesh.n_faces), 1.0, 2)
    with pytest.raises(InputError, match="'sic' is missing"):
        ice_age(ds.drop_vars("sic"))
    with pytest.raises(InputError, match=r"expected .*time, face"):
        ice_age(ds.isel(time=0))


def test_the_age_has_no_attributes_of_the_concentration():
    """Its standard name is in the table of CF; the bounds of the concentration are not those of an age."""
    mesh = jittered_box(6)
    ds = run_of(mesh, np.zeros(mesh.n_faces), np.zeros(mesh.n_faces), 1.0, 2)
    ds["sic"].attrs = {"standard_name": "sea_ice_area_fraction", "units": "1", "valid_max": 1.0, "grid_mapping": "crs"}
    attrs = {"standard_name": "age_of_sea_ice", "long_name": "age of the oldest sea ice", "units": "d"}
    assert ice_age(ds).attrs == attrs
