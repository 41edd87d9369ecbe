"""Observations that act on the steps of a forecast: limits in which the answer is known, and symmetries."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from support.examples import small_trajectory
from support.surrogates import DATA, MESH, TABLE, random_surrogate

import gensim_graph as gg
from gensim_graph.assimilate import LETKF, Assimilation, Method, ObservationOperator, StateLikelihood
from gensim_graph.errors import InputError
from gensim_graph.flow import GuidanceConfig
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import StepBase
from gensim_graph.surrogate.mirror_image import mirrored_vectors

METHODS: tuple[Method, ...] = ("guided", "letkf", "both")
NAMES = [variable.name for variable in TABLE.state]
LOCAL = LETKF(radius=60e3)
STEP = np.timedelta64(6, "h")


def table_of(mesh: Mesh, data: xr.Dataset, names, error: float, times=(1, 2), hours: int = 0, every: int = 1):
    """Observations without noise of some variables in the cells, each ``every``-th of them."""
    parts = [
        pd.DataFrame({
            "variable": name, "x": mesh.centres[::every, 0], "y": mesh.centres[::every, 1], "error": error,
            "value": data[name].isel(time=time).values.ravel()[::every],
            "time": data["time"].values[time] + np.timedelta64(hours, "h"),
        })
        for time in times for name in names
    ]  # fmt: skip
    return gg.Observations.from_table(pd.concat(parts))


def sixth_hours() -> xr.Dataset:
    """The data at the times of the steps."""
    times = DATA["time"].values
    return DATA.sel(time=times[(times - times[0]) % STEP == np.timedelta64(0)])


HERE = sixth_hours()


def run(observed, members: int = 4, batch: int = 8, steps: int = 2, model=None) -> xr.Dataset:
    given = {"steps": steps, "members": members, "batch": batch, "progress": False, "observations": observed}
    return (model or random_surrogate()).forecast(DATA.isel(time=0), DATA, **given)


def states_of(forecast: xr.Dataset, lead: int = -1) -> np.ndarray:
    return np.stack([forecast[name].isel(lead_time=lead).values for name in NAMES if name in forecast], axis=-1)


# Limits


@pytest.mark.parametrize("method", METHODS)
def test_without_observations_in_its_times_it_is_the_free_forecast(method):
    late = table_of(MESH, HERE, ["sic", "siu"], 0.01, hours=240)
    observed = Assimilation(late, method)
    assert run(observed).drop_attrs().identical(run(None).drop_attrs())
    assert observed.innovations == []


@pytest.mark.parametrize("method", METHODS)
def test_observations_with_huge_errors_change_nothing(method):
    """Errors of ten thousand times a plausible one; a filter that does not inflate."""
    free, weak = (
        run(one)
        for one in (None, Assimilation(table_of(MESH, HERE, ["sic", "siu", "siv"], 200.0), method, filter=LOCAL))
    )
    for name in ("sit", "sic", "siu", "siv"):
        spread = float(free[name].isel(lead_time=-1).std("member").mean())
        assert float(abs(weak[name] - free[name]).max()) < 1e-3 * spread, name


@pytest.mark.parametrize(
    ("method", "products", "error", "name"),
    [("guided", 3, 0.003, "small@1"), ("letkf", 1, 0.003, "small"), ("both", 3, 0.003, "small")],
)
def test_dense_and_perfect_observations_become_the_analysis(method, products, error, name):
    """Of three variables in every cell: the analysis lies within their errors.

    With transport, the guide alone misses the concentration (docs/decisions/0009-guided-by-observations.md).
    """
    axis = 80e3 * np.arange(6)
    mesh = gg.Mesh.from_grid(axis, axis)
    data = gg.simulate_cyclone(mesh, members=1, days=0.5, every="12h", progress=False).isel(trajectory=0)
    table = table_of(mesh, data, ["sic", "siu", "siv"], error, times=(1,))
    observed = Assimilation(table, method, GuidanceConfig(products), LOCAL)
    model = gg.Surrogate.load(name)
    found = model.forecast(
        data.isel(time=0), data, steps=1, members=12, batch=12, progress=False, observations=observed
    )

    for name in ("sic", "siu", "siv"):
        departure = found[name].isel(lead_time=1).mean("member").values - data[name].isel(time=1).values.ravel()
        assert np.sqrt((departure**2).mean()) < error, name
    (one,) = observed.innovations
    before, after = (
        float((one.operator.value - x.mean(0)).square().mean().sqrt()) for x in (one.forecast, one.analysis)
    )
    assert after < 0.5 * before


@pytest.mark.parametrize("method", METHODS)
def test_no_value_is_out_of_bounds(method):
    """Observed values lie at and beyond the bounds, with small errors."""
    table = table_of(MESH, HERE, ["sic", "sit"], 0.01)
    rows = table.rows.assign(value=np.where(np.arange(len(table)) % 2, -0.02, 1.02))
    found = run(Assimilation(gg.Observations(rows), method), members=3)
    for variable in TABLE.state:
        if variable.name in found:
            values = found[variable.name].values
            assert ((values >= variable.lower) & (values <= variable.upper)).all(), variable.name
    computed = found.isel(lead_time=slice(1, None))
    assert (computed["sit"].values[computed["sic"].values == 0] == 0).all()


# Symmetries


def test_members_do_not_depend_on_the_batch():
    """Guided members know nothing of each other."""
    table = table_of(MESH, HERE, ["sic", "siu", "siv"], 0.02, every=3)
    together, apart, some = (run(Assimilation(table), members, batch) for members, batch in ((5, 5), (5, 2), (3, 3)))
    for name in ("sit", "sic", "siu", "siv"):
        np.testing.assert_allclose(apart[name].values, together[name].values, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(some[name].values, together[name].values[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_mirror_image_has_the_mirrored_analysis(method):
    """A box of the north and its reflection in the south, with reflected state, winds and observations."""
    north, south = (
        Mesh.from_faces(MESH.nodes + 1e6, MESH.faces, "EPSG:3413"),
        Mesh.from_faces((MESH.nodes + 1e6) * [1, -1], MESH.faces[:, ::-1], "EPSG:3976"),
    )
    data = gg.attach(north, small_trajectory(north, hours=24)[["sit", "sic", "sid", "siu", "siv", "uas", "vas"]])
    plain = data.drop_vars(
        [name for name in data.variables if name.startswith("mesh")] + ["lon", "lat"], errors="ignore"
    )
    reflected = gg.attach(south, plain.assign({name: -plain[name] for name in ("siv", "vas")}))
    rows = table_of(north, data.sel(time=HERE["time"].values), ["siu", "siv", "sic"], 0.02, every=3).rows
    mirrored = rows.assign(y=-rows["y"], value=rows["value"] * np.where(rows["variable"] == "siv", -1, 1))

    model = random_surrogate()
    model.information["hemisphere"] = "north"
    one, other = (
        model.forecast(
            ds.isel(time=0), ds, steps=2, members=3, progress=False,
            observations=Assimilation(gg.Observations(table), method, filter=LOCAL),
        )
        for ds, table in ((data, rows), (reflected, mirrored))
    )  # fmt: skip
    for name, sign in (("siu", 1), ("siv", -1), ("sic", 1), ("sit", 1)):
        np.testing.assert_allclose(one[name].values, sign * other[name].values, atol=5e-5, err_msg=name)


def test_drift_observed_in_the_south_turns_the_right_way():
    """On a southern mesh, a drift towards east and north: the members move towards it in both components."""
    axis = 1e6 + 80e3 * np.arange(5)
    mesh = gg.Mesh.from_grid(axis, axis, crs="EPSG:3976")
    data = gg.simulate_cyclone(mesh, members=1, days=0.5, every="12h", progress=False).isel(trajectory=0)
    model = gg.Surrogate.load("small")
    assert model.is_mirrored_on(mesh)
    given = {"steps": 1, "members": 4, "progress": False}
    free = model.forecast(data.isel(time=0), data, **given).isel(lead_time=1)

    lon, lat = (free[name].values[[6, 12, 18]] for name in ("lon", "lat"))
    angle = np.deg2rad(lon)  # of the polar stereographic plane of the south: north points away from its origin
    east, north = np.stack([np.cos(angle), -np.sin(angle)]), np.stack([np.sin(angle), np.cos(angle)])
    drift = np.stack([free[name].mean("member").values[[6, 12, 18]] for name in ("siu", "siv")])
    wanted = {"siu": (drift * east).sum(0) + 0.1, "siv": (drift * north).sum(0) - 0.1}
    rows = [
        pd.DataFrame({"variable": name, "lon": lon, "lat": lat, "value": value, "error": 0.005,
                      "time": data["time"].values[1]})
        for name, value in wanted.items()
    ]  # fmt: skip
    observed = gg.Observations.from_table(pd.concat(rows))
    found = model.forecast(data.isel(time=0), data, observations=observed, **given).isel(lead_time=1)

    moved = np.stack([(found - free)[name].mean("member").values[[6, 12, 18]] for name in ("siu", "siv")])
    np.testing.assert_allclose((moved * east).sum(0), 0.1, atol=0.05)
    np.testing.assert_allclose((moved * north).sum(0), -0.1, atol=0.05)


# What is refused


def test_a_deterministic_twin_cannot_be_guided():
    table = table_of(MESH, HERE, ["sic"], 0.05)
    with pytest.raises(InputError, match="deterministic twin"):
        run(table, members=1, model=random_surrogate(deterministic=True))


def test_a_filter_needs_two_members():
    with pytest.raises(InputError, match="two members"):
        run(Assimilation(table_of(MESH, HERE, ["sic"], 0.05), "letkf"), members=1)


# The likelihood


@pytest.fixture(scope="module")
def likelihood() -> tuple[StateLikelihood, StepBase, ObservationOperator]:
    """Observations of concentration and drift, at the bound and within, for a step of two members."""
    model = random_surrogate()
    table = table_of(MESH, HERE, ["sic", "siu"], 0.05, times=(1,), every=2)
    rows = table.rows.copy()
    rows.loc[:2, "value"] = [1.0, 0.0, 0.5]
    operator = ObservationOperator.of(MESH, gg.Observations(rows), TABLE)
    state = model.first_state(DATA.isel(time=0)).expand(2, -1, -1).clone()
    drivers = model.drivers(DATA, MESH, [DATA["time"].values[0]], 1)
    now, then = (model.drivers_at(drivers, DATA["time"].values[0] + hours).forcing for hours in (0 * STEP, STEP))
    base = model.base(model.plan(MESH), state, now.expand(2, -1, -1), then.expand(2, -1, -1))
    return StateLikelihood(base, operator, lambda one: mirrored_vectors(one, TABLE.state)), base, operator


def test_spread_out_is_the_adjoint_of_observe(likelihood):
    found, base, operator = likelihood
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(base.state.shape, generator=generator)
    y = torch.randn(2, len(operator), generator=generator)
    left, right = (found.observe(x) * y).sum(), (x * found.spread_out(y)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-4)
    assert abs(float(left)) > 1e-3


def test_innovations_are_those_of_the_next_state(likelihood):
    """Cell by cell, of drift, and of concentrations that are not observed at a bound."""
    found, base, operator = likelihood
    end = 0.01 * torch.randn(base.state.shape, generator=torch.Generator().manual_seed(1))
    state = mirrored_vectors(base.of(end) + base.normaliser.change(end), TABLE.state)
    innovation = found.innovation(end)

    for number in range(len(operator)):
        name = operator.names[int(operator.variable[number])]
        cell = int(np.linalg.norm(MESH.centres - operator.position[number].numpy(), axis=1).argmin())
        expected = float(operator.value[number]) - state[:, cell, NAMES.index(name)]
        if name != "sic" or 0.01 < float(operator.value[number]) < 0.99:
            np.testing.assert_allclose(innovation[:, number], expected, atol=1e-6)


def test_a_prediction_beyond_the_bound_agrees_with_an_observation_at_it(likelihood):
    """The first observation says 1, the second 0, the third 0.5."""
    found, base, operator = likelihood
    cells = [int(np.linalg.norm(MESH.centres - one.numpy(), axis=1).argmin()) for one in operator.position[:3]]
    channel = NAMES.index("sic")
    zero = found.predicted(torch.zeros_like(base.state))[0, :3]
    scale = float(base.normaliser.residual_scale[channel])
    for aim, agrees in ((1.3, (True, False, False)), (-0.3, (False, True, False))):
        end = torch.zeros_like(base.state)
        for cell, now in zip(cells, zero, strict=True):
            end[:, cell, channel] = (aim - float(now)) / scale
        predicted, innovation = found.predicted(end)[:, :3], found.innovation(end)[:, :3]
        np.testing.assert_allclose(predicted, aim, atol=1e-3)
        for number, zeroed in enumerate(agrees):
            expected = 0.0 if zeroed else float(operator.value[number]) - aim
            np.testing.assert_allclose(innovation[:, number], expected, atol=1e-3)
