"""The LETKF against the dense Kalman filter and in its limits."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

import gensim_graph as gg
from gensim_graph.assimilate import LETKF, ObservationOperator
from gensim_graph.assimilate.taper import gaspari_cohn

TABLE = gg.default_variables()
NAMES = [variable.name for variable in TABLE.state]
FREE = gg.VariableTable(
    tuple(gg.Variable(name, role="state", units="1", range=(-math.inf, math.inf)) for name in ("a", "b"))
)
"""Two variables without bounds."""


def grid(cells: int = 6, size: float = 10e3) -> gg.Mesh:
    axis = np.arange(cells) * size
    return gg.Mesh.from_grid(axis, axis)


def observed(mesh: gg.Mesh, table: gg.VariableTable = TABLE, **columns: object) -> ObservationOperator:
    raw = pd.DataFrame({"time": "2020-03-01", "error": 0.1} | columns)
    return ObservationOperator.of(mesh, gg.Observations.from_table(raw, table=table), table)


def ice(mesh: gg.Mesh, members: int = 8, seed: int = 0) -> torch.Tensor:
    """Ensemble with values within their bounds, and some at them."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.rand(members, mesh.n_faces, len(NAMES), generator=generator)
    states[..., NAMES.index("siu") : NAMES.index("siv") + 1] -= 0.5
    states[:, ::5, NAMES.index("sic")] = 1.0
    states[:, ::7] = 0.0
    return states


@pytest.mark.parametrize("inflation", [1.0, 1.3])
def test_equals_the_dense_kalman_filter(inflation: float):
    """Mean and covariance of the analysis are those of Kalman's equations with the covariance of the ensemble."""
    mesh, members = grid(4), 60
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(32, 32)) / 5
    states = torch.from_numpy((generator.normal(size=(members, 32)) @ mixing).reshape(members, 16, 2))
    cells = generator.integers(16, size=20)
    places = {"x": mesh.centres[cells, 0], "y": mesh.centres[cells, 1]}
    names, errors = generator.choice(["a", "b"], 20), generator.uniform(0.1, 0.5, 20)
    operator = observed(mesh, FREE, variable=names, value=generator.normal(size=20), error=errors, **places)
    given = states.clone()
    analysis = LETKF(radius=math.inf, inflation=inflation).analysis(states, operator, mesh, FREE).numpy()
    assert torch.equal(states, given)

    H = np.zeros((20, 32))
    H[np.arange(20), cells * 2 + (names == "b")] = 1.0
    prior = states.numpy().reshape(members, 32)
    P, R = inflation * np.cov(prior.T), np.diag(errors**2)
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    mean = prior.mean(axis=0) + gain @ (operator.value.numpy() - H @ prior.mean(axis=0))
    flat = analysis.reshape(members, 32)
    np.testing.assert_allclose(flat.mean(axis=0), mean, atol=1e-10)
    np.testing.assert_allclose(np.cov(flat.T), (np.eye(32) - gain @ H) @ P, atol=1e-10)


def test_localised_analysis_of_one_cell_by_hand():
    """One observation, one variable: the scalar Kalman filter with the error variance divided by the taper."""
    mesh = grid()
    states = ice(mesh).double()[..., :2] * 5
    operator = observed(mesh, FREE, variable="a", x=[0.0], y=0.0, value=3.0, error=0.7)
    analysis = LETKF(radius=40e3).analysis(states, operator, mesh, FREE)

    seen = states[:, 0, 0]
    cell = 2  # 20 km away, half the radius
    variance = 0.49 / (5 / 24)
    covariance = ((states[:, cell, 0] - states[:, cell, 0].mean()) * (seen - seen.mean())).sum() / 7
    gain = covariance / (seen.var() + variance)
    torch.testing.assert_close(analysis[:, cell, 0].mean(), states[:, cell, 0].mean() + gain * (3.0 - seen.mean()))
    torch.testing.assert_close(analysis[:, cell, 0].var(), states[:, cell, 0].var() - gain * covariance)


def test_cells_without_observations_stay_bit_for_bit():
    mesh, states = grid(), ice(grid())
    operator = observed(mesh, variable="sic", x=[0.0], y=0.0, value=0.5)
    analysis = LETKF(radius=25e3, inflation=1.2, relaxation=0.5).analysis(states, operator, mesh, TABLE)
    far = np.hypot(*mesh.centres.T) >= 25e3
    assert torch.equal(analysis[:, far], states[:, far])
    assert (analysis[:, ~far] != states[:, ~far]).any()

    nothing = observed(mesh, variable="sic", x=[9e9], y=0.0, value=0.5)
    assert torch.equal(LETKF(inflation=1.2).analysis(states, nothing, mesh, TABLE), states)


def everywhere(mesh: gg.Mesh, truth: torch.Tensor, error: float) -> ObservationOperator:
    """All variables of one state, observed in all cells."""
    names = np.repeat(NAMES, mesh.n_faces)
    x, y = np.tile(mesh.centres, (len(NAMES), 1)).T
    return observed(mesh, variable=names, x=x, y=y, value=truth.T.flatten().numpy(), error=error)


def test_useless_and_perfect_observations():
    """Errors of a million times the signal change nothing; dense observations without error are the analysis."""
    mesh, states = grid(), ice(grid(), members=12)
    truth = ice(mesh, members=2, seed=1)[0]
    useless = LETKF(radius=100e3).analysis(states, everywhere(mesh, truth, 1e5), mesh, TABLE)
    torch.testing.assert_close(useless, states, atol=1e-5, rtol=0)

    some = states.clone()
    some[:, ::7] = ice(mesh, members=12, seed=2)[:, 1:2]  # members that differ in all variables can fit all of them
    some[:, ::5, NAMES.index("sic")] = torch.rand(12, 8)[:, : some[:, ::5].shape[1]]
    perfect = LETKF(radius=5e3).analysis(some, everywhere(mesh, truth, 1e-5), mesh, TABLE)
    torch.testing.assert_close(perfect, truth.expand(12, -1, -1), atol=1e-3, rtol=0)


def test_the_order_of_observations_has_no_influence():
    mesh, states = grid(), ice(grid())
    generator = np.random.default_rng(0)
    columns = {"variable": generator.choice(NAMES, 80), "value": generator.uniform(0, 1, 80),
               "x": generator.uniform(0, 50e3, 80), "y": generator.uniform(0, 50e3, 80)}  # fmt: skip
    order = generator.permutation(80)
    shuffled = {name: values[order] for name, values in columns.items()}
    first, second = (
        LETKF(radius=40e3).analysis(states, observed(mesh, **one), mesh, TABLE) for one in (columns, shuffled)
    )
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_bounds_and_possible_states():
    """Observations beyond the bounds, and no ice in some cells: values stay within, and nothing is left without ice."""
    mesh, states = grid(), ice(grid())
    operator = observed(mesh, variable=["sic", "sic"], x=[0.0, 50e3], y=[0.0, 50e3], value=[-0.3, 1.3])
    analysis = LETKF(radius=60e3).analysis(states, operator, mesh, TABLE)
    for channel, variable in enumerate(TABLE.state):
        assert analysis[..., channel].min() >= variable.lower
        assert analysis[..., channel].max() <= variable.upper
    without_ice = analysis[..., NAMES.index("sic")] == 0
    assert without_ice.any()
    assert (analysis[without_ice][:, [NAMES.index(name) for name in ("sit", "sid", "snt")]] == 0).all()


def test_variables_that_the_model_lacks_stay():
    mesh, states = grid(), ice(grid())
    states[..., NAMES.index("snt")] = float("nan")
    operator = observed(mesh, variable="sic", x=[0.0], y=0.0, value=0.5)
    present = set(NAMES) - {"snt"}
    analysis = LETKF().analysis(states, operator, mesh, TABLE, present)
    assert torch.equal(analysis.isnan(), states.isnan())


def test_relaxation_restores_the_spread():
    mesh, states = grid(), ice(grid(), members=20).double()[..., :2]
    operator = observed(mesh, FREE, variable="a", x=mesh.centres[:, 0], y=mesh.centres[:, 1], value=0.5)
    analyses = {
        one: LETKF(radius=50e3, relaxation=one).analysis(states, operator, mesh, FREE) for one in (0.0, 0.5, 1.0)
    }
    spread = {one: values.std(dim=0) for one, values in analyses.items()}
    torch.testing.assert_close(spread[1.0], states.std(dim=0))
    torch.testing.assert_close(spread[0.5], 0.5 * (spread[0.0] + spread[1.0]))
    torch.testing.assert_close(analyses[0.0].mean(dim=0), analyses[1.0].mean(dim=0))


def test_radius_by_variable():
    """Drift reaches farther than concentration."""
    mesh, states = grid(), ice(grid())
    operator = observed(mesh, variable=["sic", "siu"], x=[10e3, 40e3], y=[0.0, 50e3], value=0.4)
    analysis = LETKF(radius={"sic": 5e3, "siu": 21e3}).analysis(states, operator, mesh, TABLE)
    changed = (analysis != states).any(dim=0).any(dim=1).numpy()
    drift, concentration = (np.hypot(*(mesh.centres - place).T) for place in ([40e3, 50e3], [10e3, 0.0]))
    expected = (drift < 21e3) | (concentration < 5e3)
    assert not changed[~expected].any()
    assert changed[expected].mean() > 0.7  # cells in which all members are alike stay
    with pytest.raises(gg.InputError, match="no length for the observed variable 'siu'"):
        LETKF(radius={"sic": 5e3}).analysis(states, operator, mesh, TABLE)


def test_groups_do_not_touch_each_other():
    """The analysis of a group is that of its observations alone; observations of no group have no influence."""
    mesh, states = grid(), ice(grid()).double()[..., :2]
    places = {"x": mesh.centres[[1, 20, 30], 0], "y": mesh.centres[[1, 20, 30], 1]}
    both = observed(mesh, FREE, variable=["a", "a", "b"], value=0.4, **places)
    one = observed(mesh, FREE, variable="a", value=0.4, **{axis: values[:2] for axis, values in places.items()})
    separate = LETKF(radius=40e3, groups=(("a",), ("b",))).analysis(states, both, mesh, FREE)
    torch.testing.assert_close(separate[..., 0], LETKF(radius=40e3).analysis(states, one, mesh, FREE)[..., 0])
    only = LETKF(radius=40e3, groups=(("a",),)).analysis(states, both, mesh, FREE)
    assert torch.equal(only[..., 0], separate[..., 0])
    assert torch.equal(only[..., 1], states[..., 1])
    whole, together = (
        LETKF(radius=40e3, groups=one).analysis(states, both, mesh, FREE) for one in (None, (("a", "b"),))
    )
    assert torch.equal(whole, together)


def test_wrong_settings():
    mesh = grid()
    with pytest.raises(gg.InputError, match="two members"):
        LETKF().analysis(ice(mesh, 1), observed(mesh, variable="sic", x=[0.0], y=0.0, value=0.5), mesh, TABLE)
    for settings in (
        {"radius": 0.0},
        {"radius": {"sic": -1.0}},
        {"inflation": 0.5},
        {"relaxation": 2.0},
        {"groups": ["sic"]},
    ):
        with pytest.raises(gg.InputError, match=next(iter(settings))):
            LETKF(**settings)


def test_taper_is_the_convolution_of_triangles():
    """Eq. 4.10 is the radial convolution in three dimensions of a cone with itself (c = 1/2), by brute force."""
    axis = np.linspace(-0.5, 0.5, 101)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    cone = lambda x: np.maximum(1 - 2 * np.sqrt(x**2 + y**2 + z**2), 0)  # noqa: E731
    still = cone(x)
    for distance in (0.0, 0.2, 0.5, 0.8, 1.0):
        expected = (still * cone(x - distance)).sum() / (still**2).sum()
        found = float(gaspari_cohn(torch.tensor(distance).double()))
        assert found == pytest.approx(expected, abs=2e-3)
    assert float(gaspari_cohn(torch.tensor(1.5))) == 0.0
