"""Budget of a step: the transport is that of the step, conserves and can be computed again; the source is the rest."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from support.examples import regular_grid, small_trajectory
from support.meshes import BOX
from support.surrogates import DATA, MESH, TABLE, TRANSPORTED, random_surrogate, transporting

import gensim_graph as gg
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import StepBudget, budget_variables
from gensim_graph.transport import plan_state_transport

NAMES = [one.name for one in TABLE.state]
SIT, SIU, SIV = (NAMES.index(name) for name in ("sit", "siu", "siv"))
SECONDS = 6 * 3600.0


def ahead(model, **options):
    return model.forecast(DATA.isel(time=0), DATA, **{"steps": 3, "members": 3, "progress": False} | options)


@pytest.fixture(scope="module")
def forecast():
    return ahead(transporting(), budget=True)


def test_both_terms_make_up_the_change(forecast):
    terms = forecast["sit_transport"] + forecast["sit_source"]
    assert np.isnan(terms.isel(lead_time=0)).all()
    change = forecast["sit"].diff("lead_time")
    np.testing.assert_allclose(terms.isel(lead_time=slice(1, None)), change, rtol=0, atol=1e-6)
    whole = forecast["sit"].isel(lead_time=-1) - forecast["sit"].isel(lead_time=0)
    np.testing.assert_allclose(terms.sum("lead_time"), whole, rtol=0, atol=3e-6)


def test_transport_can_be_computed_from_the_written_states(forecast):
    transport = plan_state_transport(MESH, TABLE.state, TRANSPORTED, SECONDS)
    for lead in (1, 2, 3):
        fields = [forecast.isel(lead_time=at) for at in (lead - 1, lead)]
        nothing = np.zeros_like(fields[0]["sit"])
        states = [np.stack([one.get(name, nothing) for name in NAMES], axis=-1) for one in fields]
        before, after = (torch.from_numpy(one) for one in states)
        expected = (transport.moved(before, after) - before)[..., SIT].numpy()
        np.testing.assert_allclose(fields[1]["sit_transport"], expected, rtol=0, atol=1e-6)
        assert np.abs(expected).max() > 0.01


def test_a_closed_box_has_no_transport_in_sum(forecast):
    transport = forecast["sit_transport"].isel(lead_time=slice(1, None)).values.astype(np.float64)
    assert (np.abs(transport @ MESH.areas) < 1e-6 * np.abs(transport) @ MESH.areas).all()


@pytest.mark.parametrize("growth", [0.0, 0.1])
def test_the_source_is_what_the_network_adds(growth):
    """A network that predicts a drift and this growth of the ice in metres, and nothing else."""
    given = transporting().normaliser.statistics.residuals
    residuals = {name: (0.0, deviation) for name, (_, deviation) in given.items()}
    model = transporting(residuals=residuals)
    model.conserve = "never"
    wanted = torch.zeros(MESH.n_faces, len(NAMES))
    wanted[:, [SIU, SIV]] = torch.randn(MESH.n_faces, 2, generator=torch.Generator().manual_seed(0))
    wanted[:, SIT] = growth / residuals["sit"][1]
    model._velocity = lambda noised, flow_time, prepared: (wanted - noised) / (1 - flow_time[:, None, None])

    initial = DATA.isel(time=0).assign(sic=DATA["sic"].isel(time=0).clip(min=0.3))  # ice everywhere: no rule applies
    forecast = model.forecast(initial, DATA, steps=1, members=2, progress=False, budget=True).isel(lead_time=1)
    np.testing.assert_allclose(forecast["sit_source"], growth, rtol=0, atol=3e-6)
    assert np.abs(forecast["sit_transport"]).max() > 0.05


def test_members_do_not_depend_on_the_batch(forecast):
    single = ahead(transporting(), budget=True, batch=1)
    for name in ("sit_transport", "sit_source"):
        np.testing.assert_allclose(single[name], forecast[name], rtol=0, atol=2e-5)


def test_the_mirror_image_has_the_same_budget():
    """A model of the north on a box of the south, with all vectors reflected."""
    boxes = {crs: Mesh.from_faces((MESH.nodes + 1e6) * sign, MESH.faces[:, ::order], crs)
             for crs, sign, order in (("EPSG:3413", [1, 1], 1), ("EPSG:3976", [1, -1], -1))}  # fmt: skip
    fields = small_trajectory(boxes["EPSG:3413"], hours=24)[["sit", "sic", "sid", "siu", "siv", "uas", "vas"]]
    model = transporting()
    model.information["hemisphere"] = "north"
    found = []
    for sign, mesh in zip((1, -1), boxes.values(), strict=True):
        data = gg.attach(mesh, fields.assign(siv=sign * fields["siv"], vas=sign * fields["vas"]))
        assert model.plan(mesh).is_mirrored == (sign < 0)
        found.append(model.forecast(data.isel(time=0), data, steps=2, members=2, progress=False, budget=True))
    for name in ("sit_transport", "sit_source"):
        north, south = (one[name].isel(lead_time=slice(1, None)) for one in found)
        np.testing.assert_allclose(south, north, rtol=0, atol=1e-4)
        assert np.abs(north).max() > 0.01


@pytest.mark.parametrize("kind", ["open", "coast"])
def test_ice_that_leaves_is_transport(kind):
    """Ice of 2 m in a box with the drift u = r x: in an open box h = 2 exp(-2 r t), in a closed one all stays."""
    closed = regular_grid(16)
    mesh = Mesh.from_faces(closed.nodes, closed.faces, boundaries={kind: closed.boundary_edges})
    model, rate = transporting(), 2e-6
    state = torch.zeros(1, mesh.n_faces, len(NAMES))
    state[..., SIT] = 2.0
    state[..., [SIU, SIV]] = torch.from_numpy(rate * (mesh.centres - BOX / 2)).float()
    budget = StepBudget(model.normaliser, model.plan(mesh), mesh)
    channel = {one.name: number for number, one in budget_variables(model.normaliser)}
    transport, source = (budget.beside(state, state)[..., channel[f"sit_{part}"]] for part in ("transport", "source"))
    mean = float(transport.double().mean())
    expected = 2.0 * math.expm1(-2 * rate * SECONDS) if kind == "open" else 0.0
    assert mean == pytest.approx(expected, rel=0.01, abs=1e-6)
    torch.testing.assert_close(source, -transport)  # the state given as the end has the ice of the start


def test_what_the_variables_say(forecast):
    attrs = forecast["sit_source"].attrs
    assert (attrs["units"], attrs["interval"]) == ("m", "PT21600S")
    assert "standard_name" not in attrs
    assert "one step" in attrs["long_name"]
    assert "lead time 0" in attrs["comment"]
    assert "sic_source" not in forecast
    terms = {name for name in forecast if str(name).endswith(("_transport", "_source"))}
    assert terms == {"sit_transport", "sit_source"}  # the data have no snow


def test_a_model_without_transport_says_what_its_budget_is(caplog):
    found = ahead(random_surrogate(), budget=True, steps=1)
    assert "trained without transport" in caplog.text
    assert "trained without transport" in found["sit_source"].attrs["comment"]
    change = found["sit"].diff("lead_time").isel(lead_time=0)
    both = (found["sit_transport"] + found["sit_source"]).isel(lead_time=1)
    np.testing.assert_allclose(both, change, rtol=0, atol=1e-6)


def test_steps_in_turn_and_the_twin_have_the_budget():
    model = transporting(deterministic=True)
    steps = list(model.rollout(DATA.isel(time=0), DATA, steps=2, budget=True))
    whole = model.forecast(DATA.isel(time=0), DATA, steps=2, budget=True, progress=False)
    joined = np.stack([one["sit_source"] for one in steps], axis=1)
    np.testing.assert_array_equal(joined, whole["sit_source"])


def test_snow_has_a_budget_where_the_model_knows_it():
    table = {one.name: one for one in TABLE.state}
    statistics = transporting().normaliser.statistics
    values = statistics.values | {"snt": (0.1, 0.1)}
    residuals = statistics.residuals | {"snt": (0.0, 0.01)}
    normaliser = dataclasses.replace(
        transporting().normaliser, statistics=dataclasses.replace(statistics, values=values, residuals=residuals)
    )
    names = [one.name for _, one in budget_variables(normaliser)]
    assert names == ["sit_transport", "sit_source", "snt_transport", "snt_source"]
    assert not table["sic"].conserved  # its total changes where ice ridges
