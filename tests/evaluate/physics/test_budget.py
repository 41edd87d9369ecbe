"""Budgets and events: fields of known transport, closed domains, and events with known scores."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from support.examples import graded_mesh, island_grid, regular_grid
from support.meshes import BOX, jittered_box
from support.verification import START, STEP

from gensim_graph.errors import InputError
from gensim_graph.evaluate import match
from gensim_graph.evaluate.physics import detect_events, volume_budget
from gensim_graph.evaluate.physics.budget_table import BudgetTally
from gensim_graph.evaluate.physics.events import EventTally, Thresholds, classify
from gensim_graph.evaluate.tally import tabulate
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Transport
from gensim_graph.variables import default_variables

DAY = 86_400.0


def opened(mesh: Mesh) -> Mesh:
    """The same mesh with open sides; without named boundaries they count as coast."""
    return Mesh.from_faces(mesh.nodes, mesh.faces, boundaries={"open": mesh.boundary_edges})


MESHES = {"triangles": opened(jittered_box(20)), "squares": opened(regular_grid(20)), "graded": opened(graded_mesh(12))}


@pytest.fixture(params=MESHES)
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return MESHES[request.param]


def run_of(mesh: Mesh, **fields: np.ndarray) -> xr.Dataset:
    """Fields (time, face) every 12 h."""
    length = max(len(values) for values in fields.values() if np.ndim(values) == 2)
    shape = (length, mesh.n_faces)
    data = {name: (("time", "face"), np.broadcast_to(values, shape)) for name, values in fields.items()}
    return mesh_to_dataset(mesh).assign(data).assign_coords(time=START + np.arange(length) * STEP)


def test_linear_fields_are_transported_exactly(mesh: Mesh):
    """h linear, u constant: div(h u) = u . grad h; h constant, u linear: h div u. Also at an open boundary."""
    transport = Transport(mesh)
    ones, slope = np.ones((1, mesh.n_faces)), np.array([2e-5, -1e-5])
    h = (5 + mesh.centres @ slope)[None]
    _, (carried,) = transport.terms(0.3 * ones, 0.2 * ones, [h])
    np.testing.assert_allclose(carried, slope @ [0.3, 0.2], rtol=1e-6)
    x, y = mesh.centres.T
    divergence, (carried,) = transport.terms(3e-6 * x[None], -1e-6 * y[None], [4 * ones])
    np.testing.assert_allclose(divergence, 2e-6, rtol=1e-6)
    np.testing.assert_allclose(carried, 8e-6, rtol=1e-6)


def test_a_closed_box_keeps_its_ice():
    """In a closed domain the dynamics sum to zero for any drift, also around an island."""
    rng = np.random.default_rng(0)
    mesh = island_grid(20)
    coast = Mesh.from_faces(mesh.nodes, mesh.faces, boundaries={"coast": mesh.boundary_edges})
    h, u, v = rng.uniform(0, 2, (2, coast.n_faces)), *rng.normal(size=(2, 2, coast.n_faces))
    found = volume_budget(run_of(coast, sit=h, siu=u, siv=v))
    size = float((np.abs(found["dynamics"]) * coast.areas).sum())
    assert abs(float((found["dynamics"] * coast.areas).sum())) < 1e-9 * size


@pytest.mark.parametrize(("make", "order"), [(regular_grid, 2), (jittered_box, 1)], ids=["squares", "triangles"])
def test_a_hump_that_drifts_has_no_rest(make: Callable[[int], Mesh], order: int):
    """h(x - u t): all change is advection; the rest falls with spacing and time step, with their square on a grid."""
    speed, rests = np.array([0.06, 0.03]), []
    for cells in (48, 96):
        mesh = opened(make(cells))
        times = np.arange(3)[:, None] * 21_600.0 * (48 / cells)
        x, y = (mesh.centres[:, axis] - 0.45 * BOX - speed[axis] * times for axis in (0, 1))
        h = np.exp(-(x**2 + y**2) / 2 / 12e3**2)
        still = np.zeros(h.shape)
        ds = run_of(mesh, sit=h, siu=still + speed[0], siv=still + speed[1])
        ds = ds.assign_coords(time=START + (times[:, 0] * 1e9).astype("timedelta64[ns]"))
        found = volume_budget(ds)
        np.testing.assert_allclose(found["convergence"], 0, atol=1e-9)
        inner = (np.abs(mesh.centres - BOX / 2) < 0.4 * BOX).all(axis=1)  # at the boundary the scheme is of first order
        rest, change = (found[name].values[:, inner] for name in ("rest", "change"))
        rests.append(float(np.sqrt((rest**2).mean() / (change**2).mean())))
    assert rests[1] < 0.1
    assert rests[1] < 1.15 * rests[0] / 2**order


def test_ice_that_converges_thickens():
    """du/dx = dv/dy = -c: h grows as exp(2 c t); growth by freezing is the rest."""
    mesh, rate = opened(jittered_box(20)), 1e-7
    x, y = (mesh.centres - BOX / 2).T
    seconds = np.array([[0.0], [43_200.0]])
    h = np.exp(2 * rate * seconds) * np.ones(mesh.n_faces)
    found = volume_budget(run_of(mesh, sit=h + seconds / DAY * 0.1, siu=-rate * x, siv=-rate * y))
    np.testing.assert_allclose(
        found["convergence"], 2 * rate * DAY, rtol=0.05
    )  # the estimate uses the mean thickness of both ends
    np.testing.assert_allclose(found["advection"], 0, atol=1e-9)
    np.testing.assert_allclose(found["rest"], 0.1, rtol=0.02)


def test_what_is_missing():
    with pytest.raises(InputError, match="'siu' is missing"):
        volume_budget(run_of(regular_grid(3), sit=np.ones((2, 9))))
    with pytest.raises(InputError, match="'sid' is missing"):
        detect_events(run_of(regular_grid(3), sit=np.ones((2, 9))))


def test_members_have_their_own_budget():
    mesh = jittered_box(8)
    rng = np.random.default_rng(1)
    runs = [run_of(mesh, **{n: rng.normal(size=(3, mesh.n_faces)) for n in ("sit", "siu", "siv")}) for _ in range(2)]
    both = xr.concat([run[["sit", "siu", "siv"]] for run in runs], "member")
    found = volume_budget(both.transpose("time", ...), mesh=mesh)
    for member, run in enumerate(runs):
        np.testing.assert_allclose(found["rest"].isel(member=member), volume_budget(run)["rest"])


def models_of(mesh: Mesh, members: xr.Dataset, truth: xr.Dataset) -> dict:
    """Members (member, time, face) from the second time on beside a truth."""
    ahead = members.isel(time=slice(1, None)).rename(time="lead_time")
    leads = (np.arange(ahead.sizes["lead_time"]) + 1) * STEP
    ahead = ahead.assign_coords(lead_time=leads.astype("timedelta64[ns]"), valid_time=("lead_time", START + leads))
    return {"forecast": match(ahead, truth, default_variables())}


def test_budget_table_is_the_integral_of_the_maps():
    mesh = jittered_box(8)
    rng = np.random.default_rng(1)
    names = ("sit", "siu", "siv")
    begin = {name: rng.normal(size=(1, mesh.n_faces)) for name in names}
    runs = [
        run_of(mesh, **{n: np.concatenate([begin[n], rng.normal(size=(2, mesh.n_faces))]) for n in names})
        for _ in range(3)
    ]
    truth, members = runs[0], xr.concat([run[[*names]] for run in runs[1:]], "member")
    models = models_of(mesh, members, truth)
    table = tabulate(models, BudgetTally(models["forecast"])).set_index(["model", "lead_hours"])
    for model, some in (("truth", runs[:1]), ("forecast", runs[1:])):
        maps = [volume_budget(run).isel(time=1) for run in some]
        row = table.loc[(model, 24.0)]
        for term in ("change", "dynamics", "rest"):
            assert row[term] == pytest.approx(1e-9 * np.mean([(each[term] * mesh.areas).sum() for each in maps]))
        squares = np.mean([np.average(each["rest"] ** 2, weights=mesh.areas) for each in maps])
        assert row["rms_rest"] == pytest.approx(squares**0.5)
        assert row["change"] == pytest.approx(row["dynamics"] + row["rest"])


def with_terms(run: xr.Dataset, transport: np.ndarray, hours: int = 12) -> xr.Dataset:
    """The run with a transport (time, face) as a forecast writes it, and the source that makes up its change."""
    change = np.concatenate([np.full((1, run.sizes["face"]), np.nan), np.diff(run["sit"].values, axis=0)])
    attrs = {"units": "m", "interval": f"PT{3600 * hours}S"}
    terms = {"sit_transport": transport + 0 * change, "sit_source": change - transport}
    return run.assign({name: (("time", "face"), values, attrs) for name, values in terms.items()})


def random_run(mesh: Mesh, seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    return run_of(mesh, **{name: rng.normal(size=(3, mesh.n_faces)) for name in ("sit", "siu", "siv")})


def test_what_a_forecast_has_written_takes_the_place_of_the_estimate():
    mesh = jittered_box(8)
    run = random_run(mesh, 2)
    transport = np.random.default_rng(3).normal(size=(3, mesh.n_faces))
    found, estimate = volume_budget(with_terms(run, transport)), volume_budget(run)
    assert (found.attrs["method"], estimate.attrs["method"]) == ("written", "estimated")
    np.testing.assert_allclose(found["dynamics"], 2 * transport[1:])  # two steps a day
    np.testing.assert_allclose(found["rest"], 2 * (np.diff(run["sit"], axis=0) - transport[1:]))
    for same in ("change", "convergence"):
        np.testing.assert_allclose(found[same], estimate[same], rtol=1e-9)
    np.testing.assert_allclose(found["advection"] + found["convergence"], found["dynamics"])


@pytest.mark.parametrize("hours", [6, None])
def test_terms_of_other_intervals_are_not_used(hours: int | None):
    """The last of several steps, or a store of an earlier version, which does not say how long a step is."""
    run = random_run(jittered_box(8), 2)
    given = with_terms(run, np.ones((3, run.sizes["face"])), hours or 12)
    if hours is None:
        given = given.assign({name: given[name].drop_attrs() for name in ("sit_transport", "sit_source")})
    xr.testing.assert_identical(volume_budget(given), volume_budget(run))


def test_the_table_takes_what_the_forecast_has_written():
    mesh = jittered_box(8)
    truth = random_run(mesh, 1)
    members = [random_run(mesh, seed) for seed in (2, 3)]
    for run in members:  # they start from the truth
        for name in ("sit", "siu", "siv"):
            run[name] = run[name].where(run["time"] > START, truth[name])
    transports = np.random.default_rng(4).normal(size=(2, 3, mesh.n_faces))
    names = ["sit", "siu", "siv", "sit_transport", "sit_source"]
    written = [with_terms(run, transport)[names] for run, transport in zip(members, transports, strict=True)]
    models = models_of(mesh, xr.concat(written, "member"), truth)
    table = tabulate(models, BudgetTally(models["forecast"])).set_index(["model", "lead_hours"])
    assert table.loc["truth", "method"].eq("estimated").all()
    for lead, hours in ((1, 12.0), (2, 24.0)):
        row = table.loc[("forecast", hours)]
        assert row["method"] == "written"
        change = np.mean([(run["sit"].values[lead] - run["sit"].values[lead - 1]) @ mesh.areas for run in members])
        assert row["change"] == pytest.approx(2e-9 * change)
        assert row["dynamics"] == pytest.approx(2e-9 * np.mean(transports[:, lead] @ mesh.areas))
        assert row["rest"] == pytest.approx(row["change"] - row["dynamics"])
        squares = np.mean(np.average(transports[:, lead] ** 2, axis=1, weights=mesh.areas))
        assert row["rms_dynamics"] == pytest.approx(2 * squares**0.5)


def test_events_by_hand():
    divergence = np.array([0.1, 0.1, -0.1, -0.1, 0.0, 0.0, 0.1])
    thickness = np.array([-0.1, 0.1, 0.1, -0.1, 0.0, 0.1, -0.1])
    damage = np.array([0.5, 0.5, 0.5, 0.5, -0.5, 0.0, -0.5])
    found = classify(divergence, damage, thickness)
    assert np.flatnonzero(found["opening"]).tolist() == [0]
    assert np.flatnonzero(found["ridging"]).tolist() == [2]
    assert np.flatnonzero(found["healing"]).tolist() == [4]
    assert not np.sum([*found.values()], axis=0).max() > 1
    assert not classify(divergence, damage, thickness, Thresholds(1.0, 1.0, 1.0))["ridging"].any()


def test_events_of_a_drift():
    """The west opens and thins, the east closes and thickens; the middle is at rest and heals."""
    mesh = regular_grid(30)
    x = mesh.centres[:, 0] / BOX
    west, east = x < 1 / 3, x > 2 / 3
    speed = 1e-6 * BOX * np.select([west, east], [x, 1 - x], 1 / 3)
    rate = np.select([west, east], [-0.1, 0.1], 0.0)
    sit = 2 + np.stack([0 * rate, rate / 2])
    sid = 0.5 + np.stack([np.zeros(mesh.n_faces), np.where(west | east, 0.1, -0.1)])
    found = detect_events(run_of(mesh, sit=sit, sid=sid, siu=speed, siv=0 * speed)).isel(time=0)
    inner = [(x > low + 0.05) & (x < low + 0.28) for low in (0, 1 / 3, 2 / 3)]
    for name, where in zip(("opening", "healing", "ridging"), inner, strict=True):
        assert found[name].values[where].all()
        assert not found[name].values[~where & np.any(inner, axis=0)].any()


def test_scores_of_events():
    """The truth ridges in 4 of 36 cells; one member in two of these and in two others, the other member nowhere."""
    mesh = regular_grid(6)
    x, y = (mesh.centres - BOX / 2).T
    ice, still = np.ones((2, 36)), np.zeros((2, 36))
    drift = {"siu": -1e-6 * x + still, "siv": -1e-6 * y + still, "sid": still, "sic": ice}
    here = np.zeros((4, 2, 36))
    here[0, 1, [0, 1, 2, 3]], here[1, 1, [2, 3, 4, 5]] = 1, 1
    truth = run_of(mesh, sit=1 + here[0], **drift)
    members = xr.concat([run_of(mesh, sit=1 + h, **drift)[["sit", *drift]] for h in here[1:3]], "member")
    models = models_of(mesh, members, truth)
    table = tabulate(models, EventTally(models["forecast"]))
    row = table.set_index(["model", "event"]).loc[("forecast", "ridging")]
    assert row["truth_share"] == pytest.approx(4 / 36)
    assert row["share"] == pytest.approx(2 / 36)
    assert row["detected"] == pytest.approx(2 / 8)
    assert row["false_alarms"] == pytest.approx(2 / 4)
    assert row["critical_success"] == pytest.approx(2 / 10)
