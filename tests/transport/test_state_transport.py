"""Transport of the state of a variable table: which variables move, conservation, properties, bounds, gradients."""

import dataclasses

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.transport_meshes import HOURS_12, grid

import gensim_graph as gg
from gensim_graph.transport import plan_state_transport, plan_transport, transported_names

STATE = gg.default_variables().state
NAMES = [one.name for one in STATE]
SIT, SIC, SID, SIU, SIV, SNT = (NAMES.index(name) for name in ("sit", "sic", "sid", "siu", "siv", "snt"))
ALL = transported_names(STATE, NAMES)
MESHES = {"triangles": jittered_box(8), "grid": grid(9)}


def planned(mesh, names=ALL, variables=STATE):
    return plan_state_transport(mesh, variables, names, HOURS_12)


def random_state(mesh, seed, members=2):
    rng = torch.Generator().manual_seed(seed)
    state = torch.rand(members, mesh.n_faces, len(NAMES), generator=rng)
    state[..., [SIU, SIV]] = 0.3 * torch.randn(members, mesh.n_faces, 2, generator=rng)
    return state


@pytest.mark.parametrize("name", MESHES)
def test_volumes_stay_and_concentration_piles_up(name):
    mesh = MESHES[name]
    state, later = random_state(mesh, 0), random_state(mesh, 1)
    moved = planned(mesh).moved(state, later)
    area = torch.from_numpy(mesh.areas)

    for channel in (SIT, SNT):
        before, after = ((one[..., channel].double() * area).sum(dim=1) for one in (state, moved))
        torch.testing.assert_close(after, before, rtol=1e-6, atol=0)
    assert (moved[..., SIC] == 1).any()
    assert (moved[..., [SIT, SIC, SID, SNT]] >= 0).all()
    assert (moved[..., [SIC, SID]] <= 1).all()
    assert torch.equal(moved[..., [SIU, SIV]], state[..., [SIU, SIV]])


def test_amounts_are_those_of_the_plan():
    mesh = MESHES["triangles"]
    state, later = random_state(mesh, 2), random_state(mesh, 3)
    drift, next_drift = (one[..., [SIU, SIV]] for one in (state, later))
    expected = plan_transport(mesh, fastest=0.6).move(state[..., [SIT, SNT]], drift, next_drift, HOURS_12)
    torch.testing.assert_close(planned(mesh, ("sit", "snt")).moved(state, later)[..., [SIT, SNT]], expected)


def test_ice_of_one_damage_keeps_it():
    mesh = MESHES["grid"]
    state, later = random_state(mesh, 4), random_state(mesh, 5)
    state[..., SID] = 0.4
    moved = planned(mesh).moved(state, later)
    torch.testing.assert_close(moved[..., SID], torch.full_like(moved[..., SID], 0.4))


def test_damage_stays_zero_where_no_ice_comes():
    mesh = MESHES["grid"]
    state = random_state(mesh, 6)
    state[..., SIT] = 0.0
    assert (planned(mesh).moved(state, random_state(mesh, 7))[..., SID] == 0).all()


def test_a_tracer_of_the_user_moves_with_the_ice():
    """Ice of two ages on both sides of a line: no age in between but where both meet, and none beyond."""
    mesh = MESHES["grid"]
    variables = (*STATE, gg.Variable("age", role="state", units="d", lower=0.0, transported=True))
    names = transported_names(variables, [*NAMES, "age"])
    assert names[-1] == "age"

    state = torch.cat([random_state(mesh, 8), torch.zeros(2, mesh.n_faces, 1)], dim=-1)
    state[..., -1] = torch.from_numpy(np.where(mesh.centres[:, 0] > mesh.centres[:, 0].mean(), 300.0, 10.0))
    moved = planned(mesh, names, variables).moved(state, state)[..., -1]
    assert moved.min() >= 10 - 1e-3
    assert moved.max() <= 300 + 1e-3


def test_members_do_not_depend_on_each_other():
    mesh = MESHES["triangles"]
    state, later, transport = random_state(mesh, 9, 3), random_state(mesh, 10, 3), planned(mesh)
    together = transport.moved(state, later)
    for member in range(3):
        assert torch.equal(together[[member]], transport.moved(state[[member]], later[[member]]))


def test_gradients_are_those_of_ice_that_stays():
    mesh = MESHES["grid"]
    state = random_state(mesh, 11).requires_grad_()
    moved = planned(mesh).moved(state, random_state(mesh, 12))
    (gradient,) = torch.autograd.grad(moved.sum(), state)
    assert torch.equal(gradient, torch.ones_like(gradient))


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (NAMES, ("sit", "sic", "sid", "snt")),
        (["sit", "sic"], ()),  # no drift
        (["siu", "siv", "sid"], ()),  # a property, and nothing to carry it
        (["siu", "siv", "sic", "sid"], ("sic", "sid")),
    ],
)
def test_names_of_what_moves(present, expected):
    assert transported_names(STATE, present) == expected


def test_tables_without_transported_variables_have_none():
    still = [dataclasses.replace(one, transported=False) for one in STATE]
    assert transported_names(still, NAMES) == ()


def test_a_drift_into_an_open_boundary_does_not_press_in_more_and_more_ice():
    """One cell at an open boundary with an inward drift, still ice behind it: it grew by a half in every step."""
    axis = np.arange(6) * 60e3
    grid = gg.Mesh.from_grid(axis, axis)
    closed = grid.boundary_edges[
        np.abs(grid.nodes[grid.boundary_edges][..., 1].mean(axis=1) - grid.nodes[:, 1].min()) > 1
    ]
    mesh = gg.Mesh.from_faces(grid.nodes, grid.faces, boundaries={"coast": closed})  # open in the south
    table = gg.default_variables().state
    names = transported_names(table, [one.name for one in table])
    transport = plan_state_transport(mesh, table, names, seconds=43200.0)

    state = torch.zeros(1, mesh.n_faces, len(table))
    channel = {one.name: number for number, one in enumerate(table)}
    state[..., channel["sit"]], state[..., channel["sic"]] = 0.5, 0.9
    south = int(np.flatnonzero(mesh.centres[:, 1] == mesh.centres[:, 1].min())[2])
    state[:, south, channel["siv"]] = 0.35
    for _ in range(30):
        state = transport.moved(state, state)
    # What enters in the time is 0.35 m/s / 2 * 0.5 m over 15 days, at most: 2 m on each of the cells beside it.
    assert float(state[..., channel["sit"]].max()) < 3.0
    assert float(state[:, south, channel["sit"]]) == pytest.approx(0.5, abs=0.1)
