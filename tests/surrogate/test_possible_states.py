"""States that can exist: rules of the variable table, totals that stay, the volume of a closed box."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from support.examples import small_trajectory
from support.meshes import jittered_box
from support.surrogates import random_surrogate

import gensim_graph as gg
from gensim_graph.surrogate.possible_states import StateRules, is_closed
from gensim_graph.variables import with_default_rules

TABLE = gg.default_variables()
NAMES = [variable.name for variable in TABLE.state]
SIT, SIC, SID, SNT = (NAMES.index(name) for name in ("sit", "sic", "sid", "snt"))
AREA = torch.tensor([1.0, 2.0, 3.0, 4.0])


def rules(**present):
    return StateRules(TABLE.state, [present.get(name, True) for name in NAMES])


def states(seed, cells=1000, members=3):
    """Random states with many zeros, in every variable for itself, and ones."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.5, 1.5, (members, cells, len(NAMES)))
    values[..., [SIT, SIC, SID, SNT]] = values[..., [SIT, SIC, SID, SNT]].clip(0.0, 1.0)
    return torch.from_numpy(values).float(), torch.from_numpy(rng.uniform(1e6, 1e8, cells)).float()


def totals(state, area):
    return torch.einsum("bfv,f->bv", state.double(), area.double())


def test_one_cell_by_hand():
    """Snow and thickness of cells without concentration go to the cell with ice; damage is lost."""
    state = torch.zeros(1, 4, len(NAMES))
    state[0, :, SIT] = torch.tensor([1.0, 0.5, 0.0, 0.0])
    state[0, :, SIC] = torch.tensor([0.8, 0.0, 0.1, 0.0])
    state[0, :, SNT] = torch.tensor([0.2, 0.1, 0.0, 0.3])
    state[0, :, SID] = torch.tensor([0.7, 0.9, 0.5, 0.0])
    result = rules().applied(state, state, AREA, conserve=False)

    assert result[0, :, SIT].tolist() == pytest.approx([2.0, 0, 0, 0])  # 1 m of 1 m2 and 0.5 m of 2 m2
    assert result[0, :, SIC].tolist() == pytest.approx([1.0, 0, 0, 0])  # 0.3 m2 more than the room of 0.2 m2
    assert result[0, :, SNT].tolist() == pytest.approx([0.2 + 2 * 0.1 + 4 * 0.3, 0, 0, 0])
    assert result[0, :, SID].tolist() == pytest.approx([0.7, 0, 0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_no_impossible_states_and_the_same_totals(seed):
    state, area = states(seed)
    result = rules().applied(state, state, area, conserve=False)
    ice = (result[..., SIT] > 0) & (result[..., SIC] > 0)

    for channel in (SIT, SIC, SID, SNT):
        assert ((result[..., channel] > 0) <= ice).all()
    assert ((result[..., SIT] > 0) == (result[..., SIC] > 0)).all()
    assert (result[..., SIC] <= 1).all()
    for channel in (SIT, SIC, SNT):
        torch.testing.assert_close(totals(result, area)[:, channel], totals(state, area)[:, channel], rtol=1e-6, atol=0)
    drift = [NAMES.index("siu"), NAMES.index("siv")]
    assert torch.equal(result[..., drift], state[..., drift])


def test_a_state_that_can_exist_does_not_change():
    state, area = states(0)
    once = rules().applied(state, state, area, conserve=False)
    torch.testing.assert_close(rules().applied(once, once, area, conserve=False), once, rtol=1e-6, atol=1e-7)


def test_conserved_totals_are_those_before_the_step():
    before, area = states(1)
    before = rules().applied(before, before, area, conserve=False)
    state = states(2)[0]
    result = rules().applied(state, before, area, conserve=True)

    for channel in (SIT, SNT):
        torch.testing.assert_close(
            totals(result, area)[:, channel], totals(before, area)[:, channel], rtol=1e-6, atol=0
        )
    assert not torch.allclose(totals(result, area)[:, SIC], totals(before, area)[:, SIC], rtol=1e-3)


def test_members_do_not_depend_on_each_other():
    state, area = states(3)
    whole = rules().applied(state, state, area, conserve=False)
    alone = rules().applied(state[1:2], state[1:2], area, conserve=False)
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-6, atol=0)


def test_variables_that_the_model_lacks_are_no_condition():
    """Without concentration in the data its channel is zero everywhere; the ice stays."""
    state, area = states(4)
    state[..., SIC] = 0
    result = rules(sic=False).applied(state, state, area, conserve=False)
    torch.testing.assert_close(result[..., SIT], state[..., SIT], rtol=1e-6, atol=1e-5)


def test_needs_of_needs():
    """Age needs thickness, thickness needs concentration: no age without concentration."""
    variables = (
        gg.Variable("age", role="state", units="s", lower=0.0, needs=["sit"]),
        gg.Variable("sit", role="state", units="m", lower=0.0, needs=["sic"]),
        gg.Variable("sic", role="state", units="1", lower=0.0, upper=1.0),
    )
    state = torch.tensor([[[5.0, 1.0, 0.0], [5.0, 1.0, 0.5]]])
    result = StateRules(variables, [True] * 3).applied(state, state, torch.ones(2), conserve=False)
    assert result[0].tolist() == [[0.0, 0.0, 0.0], [5.0, 1.0, 0.5]]


# Forecasts


@pytest.mark.slow
def test_a_closed_box_keeps_its_volume_for_sixty_days():
    """With weights at random, which know nothing of conservation; relative change at most 1e-6, as float32 allows."""
    mesh = jittered_box(8)
    closed = dataclasses.replace(mesh, boundaries={"coast": mesh.boundary_edges})
    assert is_closed(closed)
    assert not is_closed(mesh)

    steps = 120
    model = random_surrogate(size=0.1)
    hours = 6 * (steps + 1)
    data = gg.open_store(small_trajectory(closed, hours=hours, seed=0))
    forecast = model.forecast(data.isel(time=0), data, steps=steps, members=2, progress=False)
    assert model.conserves_on(model.plan(closed))

    volume = (forecast["sit"].astype("float64").values * closed.areas).sum(axis=-1)
    assert abs(volume / volume[:, :1] - 1).max() <= 1e-6
    later = forecast.isel(lead_time=slice(1, None))
    assert ((later["sit"] > 0) == (later["sic"] > 0)).all()
    assert not ((later["sid"] > 0) & (later["sic"] <= 0)).any()

    model.conserve = "never"
    free = model.forecast(data.isel(time=0), data, steps=3, members=1, progress=False)
    volume = (free["sit"].astype("float64").values * closed.areas).sum(axis=-1)
    assert abs(volume / volume[:, :1] - 1).max() > 1e-4


def test_models_of_earlier_versions_take_the_rules_of_the_default_table():
    rows = TABLE.to_dict()
    old = {
        name: {k: v for k, v in row.items() if k not in ("needs", "amount", "conserved")} for name, row in rows.items()
    }
    assert gg.VariableTable.from_dict(with_default_rules(json.loads(json.dumps(old)))) == TABLE
    off = rows | {"snt": rows["snt"] | {"needs": []}}
    assert gg.VariableTable.from_dict(with_default_rules(json.loads(json.dumps(off))))["snt"].needs == ()
    assert gg.Surrogate.load("small").normaliser.table["snt"].needs == ("sit", "sic")
