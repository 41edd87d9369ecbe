"""A step of a model with transport: ice moves with the sampled drift, totals stay, old models do not change."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.surrogates import DATA, MESH, TABLE, TRANSPORTED, random_surrogate, transporting

import gensim_graph as gg
from gensim_graph.data import Statistics, Trajectories
from gensim_graph.evaluate.explain.input_response import mean_step
from gensim_graph.surrogate import Surrogate

NAMES = [one.name for one in TABLE.state]
SIT, SIC, SID, SIU, SIV, SNT = (NAMES.index(name) for name in ("sit", "sic", "sid", "siu", "siv", "snt"))
LEAD = np.timedelta64(6, "h")


def inputs(start=1, members=2):
    part = Trajectories.from_dataset(DATA, TABLE, LEAD)
    pair = part.read(0, start)
    state = torch.from_numpy(pair.state).expand(members, -1, -1)
    forcing = [torch.from_numpy(one) for one in (pair.forcing, pair.next_forcing, pair.slow)]
    return state, forcing


def generators(members=2):
    return [torch.Generator().manual_seed(number) for number in range(members)]


def drift_alone(model, drift):
    """Let a model sample a given residual of the drift, and none of the other variables."""
    wanted = torch.zeros(MESH.n_faces, len(NAMES))
    wanted[:, [SIU, SIV]] = drift

    def velocity(noised, flow_time, prepared):
        return (wanted - noised) / (1 - flow_time[:, None, None])

    model._velocity = velocity
    return model


def test_ice_moves_with_the_sampled_drift():
    residuals = {
        name: (0.0, deviation) for name, (_, deviation) in transporting().normaliser.statistics.residuals.items()
    }
    torch.manual_seed(0)
    drift = torch.randn(MESH.n_faces, 2)
    model = drift_alone(transporting(residuals=residuals), drift)
    model.conserve = "never"
    plan = model.plan(MESH)
    state, forcing = inputs()
    state = state.clone()
    state[..., [SIT, SIC]] = state[..., [SIT, SIC]].clamp(min=0.2)  # ice everywhere: nothing is taken as impossible
    came = model.step(state, *forcing, plan, generators())

    later = state.clone()
    deviation = residuals["siu"][1]
    later[..., [SIU, SIV]] += deviation * drift
    expected = plan.transport.moved(state, later)
    torch.testing.assert_close(came[..., [SIU, SIV]], later[..., [SIU, SIV]], rtol=0, atol=1e-5)
    torch.testing.assert_close(came[..., [SIT, SIC]], expected[..., [SIT, SIC]], rtol=0, atol=1e-5)

    area = torch.from_numpy(MESH.areas)
    before, after = ((one[..., SIT].double() * area).sum(dim=1) for one in (state, came))
    torch.testing.assert_close(after, before, rtol=1e-6, atol=0)


@pytest.mark.parametrize("deterministic", [False, True])
def test_random_models_stay_within_the_bounds(deterministic):
    model = transporting(deterministic)
    state, forcing = inputs()
    plan = model.plan(MESH)
    for step in range(3):
        state = model.step(state, *forcing, plan, generators())
        assert torch.isfinite(state).all()
        assert (state[..., [SIT, SIC, SID, SNT]] >= 0).all(), step
        assert (state[..., [SIC, SID]] <= 1).all()
        assert (state[..., SNT][state[..., SIC] == 0] == 0).all()


def test_members_do_not_depend_on_the_batch():
    model = transporting()
    state, forcing = inputs(members=3)
    plan = model.plan(MESH)
    together = model.step(state, *forcing, plan, generators(3))
    alone = model.step(state[[2]], *forcing, plan, generators(3)[2:])
    torch.testing.assert_close(together[[2]], alone, rtol=1e-4, atol=1e-5)


def test_saved_and_loaded_models_move_the_ice(tmp_path):
    model = transporting()
    model.save(tmp_path / "run")
    loaded = Surrogate.load(tmp_path / "run")
    assert loaded.normaliser.statistics.transported == TRANSPORTED
    state, forcing = inputs()
    one, other = (each.step(state, *forcing, each.plan(MESH), generators()) for each in (model, loaded))
    assert torch.equal(one, other)


def test_models_of_earlier_versions_have_no_transport(tmp_path):
    random_surrogate().save(tmp_path / "run")
    rows = json.loads((tmp_path / "run" / "surrogate.json").read_text())
    assert "transported" not in rows["statistics"]
    loaded = Surrogate.load(tmp_path / "run")
    assert loaded.plan(MESH).transport is None
    assert Statistics.from_dict(rows["statistics"]).transported == ()


def test_tables_saved_without_the_mark_take_it_from_the_default_table():
    rows = TABLE.to_dict()
    for row in rows.values():
        row.pop("transported", None)
    from gensim_graph.variables import with_default_rules

    assert gg.VariableTable.from_dict(with_default_rules(rows)) == TABLE


def test_sensitivity_to_the_thickness_has_the_ice_itself():
    """The derivative of the next thickness by the thickness now is one from the base, beside that of the network."""
    model = transporting(deterministic=True)
    with torch.no_grad():
        for parameter in model.operator.parameters():
            parameter.zero_()
    state, forcing = inputs(members=1)
    state = state.clone()
    state[..., SIT] += 1.0
    state.requires_grad_()
    later = mean_step(model, state, *(one[None] for one in forcing), MESH)
    (gradient,) = torch.autograd.grad(later[..., SIT].sum(), state)
    torch.testing.assert_close(gradient[..., SIT], torch.ones_like(gradient[..., SIT]), rtol=1e-4, atol=1e-4)


def test_mirror_image_moves_the_ice_alike():
    """On the mirror image of a mesh, with mirrored vectors, a model that mirrors gives the mirrored result."""
    model = transporting()
    plain, mirrored = model, dataclasses.replace(transporting(), mirror="always")
    mesh = jittered_box(6)
    state, forcing = inputs()
    one = plain.plan(mesh)
    other = mirrored.plan(mesh)
    assert other.is_mirrored
    assert not one.is_mirrored
    came = mirrored.step(state, *forcing, other, generators())
    assert torch.isfinite(came).all()
    area = torch.from_numpy(mesh.areas)
    before, after = (
        float((each[..., SIT].double() * area).sum())
        for each in (
            one.transport.moved(state, state),
            other.transport.moved(*(2 * [mirrored.to_frame(other, state, *forcing)[0]])),
        )
    )
    assert before == pytest.approx(after, rel=1e-6)
