"""Reach of the heads against closed forms; sensitivities against finite differences."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.integrate import quad
from support.surrogates import DATA, MESH, random_surrogate

from gensim_graph.data import stack_variables
from gensim_graph.errors import InputError
from gensim_graph.evaluate.explain import head_reach, reach_figure, sensitivity, sensitivity_figure
from gensim_graph.evaluate.explain.input_response import mean_step
from gensim_graph.evaluate.explain.reach import tapered_reach
from gensim_graph.graph import cached_graph
from gensim_graph.surrogate import Surrogate

POINT = (45e3, 55e3)


@pytest.fixture(scope="module")
def twin() -> Surrogate:
    return random_surrogate(deterministic=True, size=0.1)


def test_reach_of_narrow_and_wide_heads():
    """Closed forms for a narrow Gaussian (its width) and a flat one (taper: r / sqrt(8)); quadrature between them."""
    found = tapered_reach(np.array([0.1, 1e6, 2.0]), 9.0)
    np.testing.assert_allclose(found[:2], [0.1, 9 / np.sqrt(8)], rtol=1e-3)

    def kernel(d: float) -> float:
        return float(np.exp(-(d**2) / 8) * (1 - d**2 / 81) ** 2)

    second = quad(lambda d: d**3 * kernel(d), 0, 9)[0] / quad(lambda d: d * kernel(d), 0, 9)[0]
    assert found[2] == pytest.approx(np.sqrt(second / 2), rel=1e-5)


def test_reach_of_a_model(twin: Surrogate):
    found = head_reach(twin, MESH)
    assert found.shape == (len(twin.operator.blocks), twin.operator.config.heads)
    length = 2 * np.median(MESH.spacing) / 1e3  # a token is four cells
    assert found.attrs["token_length_km"] == pytest.approx(length, rel=0.2)
    assert (found > 0).all()
    assert found.max() < length * float(cached_graph(MESH).radius) / np.sqrt(8) + 1e-9
    assert reach_figure(found).axes[0].texts[0].get_text() == f"{float(found[0, 0]):.3g}"


@pytest.mark.parametrize("deterministic", [True, False], ids=["twin", "flow"])
def test_sensitivities_are_differences(deterministic: bool):
    """Sensitivities equal central differences of the step, for some inputs in some cells."""
    model = random_surrogate(deterministic, size=0.1)
    found = sensitivity(model, DATA.isel(time=0), DATA, "siu", POINT, sampler_steps=2)
    face = found.attrs["face"]
    table, statistics = model.normaliser.table, model.normaliser.statistics
    state = stack_variables(DATA.isel(time=0), table.state)
    now, then = (stack_variables(DATA.isel(time=index), table.forcing) for index in (0, 2))
    slow = torch.from_numpy(stack_variables(DATA.isel(time=0), table.slow))[None]
    names = [variable.name for variable in table.state]
    column, neighbour = names.index("siu"), int(MESH.adjacency.faces[MESH.adjacency.faces[:, 0] == face][0, 1])

    def forecast(which: int, cell: int, position: int, change: float) -> float:
        parts = [torch.from_numpy(values.copy())[None] for values in (state, now, then)]
        parts[which][0, cell, position] += change
        after = mean_step(model, *parts, slow, MESH, 2)
        return float(after[0, face, column])

    drivers = [variable.name for variable in table.forcing]
    for which, name, cell in ((0, "siu", face), (0, "sit", neighbour), (1, "uas", face), (2, "vas", neighbour)):
        position = (names if which == 0 else drivers).index(name)
        deviation = float(statistics.of_values((table[name],))[1][0])
        half = 0.02  # standard deviations: small for curvature, large for the rounding of single precision
        ends = (forecast(which, cell, position, sign * half * deviation) for sign in (1, -1))
        expected = (next(ends) - next(ends)) / (2 * half)
        came = float(found[name + ("_next" if which == 2 else "")][cell])
        assert came == pytest.approx(expected, rel=2e-2, abs=2e-5)


def test_maps_of_all_inputs_and_their_figure(twin: Surrogate):
    """There is a map of each input with which the model was trained, and a figure of the largest six."""
    found = sensitivity(twin, DATA.isel(time=0), DATA, "sit", POINT)
    assert {"sit", "sic", "sid", "siu", "siv", "uas", "vas", "uas_next", "vas_next"} <= {*found.data_vars}
    assert "snt" not in found
    figure = sensitivity_figure(found, MESH)
    assert len(figure.axes) == 7
    near = np.linalg.norm(MESH.centres - POINT, axis=1).argmin()
    assert found.attrs["face"] == near


def test_no_such_variable(twin: Surrogate):
    with pytest.raises(InputError, match="no state variable 'uas'"):
        sensitivity(twin, DATA.isel(time=0), DATA, "uas", POINT)


def test_winds_of_an_ensemble(twin: Surrogate):
    winds = {name: xr.concat([DATA[name]] * 3, "member") for name in ("uas", "vas")}
    with pytest.raises(InputError, match=r"expected one weather, came forcing with 3 members"):
        sensitivity(twin, DATA.isel(time=0), DATA.assign(winds), "sit", POINT)
