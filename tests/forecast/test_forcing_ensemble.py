"""Forcing with members: each member of a forecast is the one that its own weather alone drives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from support.examples import regular_grid, small_trajectory
from support.forecasts import DATA, FORECAST, MESH, TABLE, write
from support.model_lists import named_model

from gensim_graph.assimilate import Observations
from gensim_graph.data import ForcingEnsemble, Trajectories, open_forcing, with_forcing
from gensim_graph.data.series import TEMPERATURE
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig

WINDS = ("uas", "vas")
FIRST, SECOND = named_model("first", 0), named_model("second", 1)
GIVEN = {"steps": 3, "members": 5, "batch": 2, "progress": False}


def weather(member: int) -> xr.Dataset:
    """Winds of a member."""
    return DATA.assign({name: DATA[name] * (1 + 0.5 * member) for name in WINDS})


def ensemble(count: int = 3, dim: str = "number") -> xr.Dataset:
    """Winds of all members along a dimension; the states have no members."""
    winds = xr.concat([weather(member)[list(WINDS)] for member in range(count)], dim)
    return DATA.drop_vars(WINDS).assign(winds)


def warm(count: int) -> dict[str, tuple]:
    """Temperatures that are 10 K below the melting point for the first member, 9 K for the second."""
    kelvin = 263.15 + np.zeros((count, DATA.sizes["time"], MESH.n_faces)) + np.arange(float(count))[:, None, None]
    return {TEMPERATURE: (("number", "time", "face"), kelvin, {"units": "K"})}


def forecast(forcing: object, model: object = FIRST, **options: object) -> xr.Dataset:
    """A forecast in memory."""
    return model.forecast(DATA.isel(time=0), forcing, **(GIVEN | options))


@pytest.fixture(scope="module")
def driven() -> xr.Dataset:
    """Five members under three weathers."""
    return forecast(ensemble())


@pytest.mark.parametrize("member", [0, 4])
def test_a_member_is_driven_by_its_own_weather(driven, member):
    """The noise depends on the number of the member alone, so the forecast under one weather has the same member."""
    alone = forecast(weather(member % 3))
    for name in (*FORECAST, "guard_sit", "guard_uas_vas"):
        np.testing.assert_array_equal(driven[name][member], alone[name][member])


def test_members_differ_by_their_weather(driven):
    assert not np.array_equal(driven["siu"][1], forecast(DATA)["siu"][1])
    assert "(3 members)" in driven.attrs["forcing"]


def test_equal_weather_changes_nothing():
    same = xr.concat([weather(0)[list(WINDS)]] * 4, "number")
    for name in FORECAST:
        np.testing.assert_array_equal(forecast(DATA.drop_vars(WINDS).assign(same))[name], forecast(DATA)[name])


@pytest.mark.parametrize("dim", ["member", "realization", "trajectory", "number"])
def test_names_of_the_dimension(dim):
    forcing = open_forcing(ensemble(dim=dim), MESH, TABLE)
    assert isinstance(forcing, ForcingEnsemble)
    assert forcing.n_members == 3
    assert forcing.at(DATA["time"].values[0]).forcing.shape == (3, MESH.n_faces, len(TABLE.forcing))


def test_observations_guide_members_under_their_own_weather():
    x, y = MESH.centres[::3].T
    rows = {"x": x, "y": y, "value": 0.1, "error": 0.01, "variable": "siu", "time": DATA["time"].values[2]}
    seen = Observations.from_table(pd.DataFrame(rows))
    model, fewer = replace(FIRST, sampler=SamplerConfig(steps=2)), {"steps": 2, "members": 2}
    together = forecast(ensemble(), model, observations=seen, **fewer)
    alone = forecast(weather(1), model, observations=seen, **fewer)
    np.testing.assert_allclose(together["siu"][1], alone["siu"][1], atol=1e-6)
    assert not np.allclose(together["siu"][1], forecast(ensemble(), model, **fewer)["siu"][1], atol=1e-3)


def test_states_and_weathers_go_together():
    """Member 3 starts from the second of two states under the first of three weathers."""
    thick = (xr.concat([DATA["sit"].isel(time=0)] * 2, "trajectory").T * [1.0, 1.2]).T
    states = DATA.isel(time=0).assign(sit=thick)
    both = FIRST.forecast(states, ensemble(), **GIVEN)
    alone = FIRST.forecast(states.isel(trajectory=1), weather(0), **GIVEN)
    np.testing.assert_array_equal(both["sit"][3], alone["sit"][3])


def test_a_store_is_the_forecast_in_memory_and_goes_on(tmp_path, driven):
    """It is read from a file; another weather of one member is refused when the forecast goes on."""
    ensemble().to_netcdf(tmp_path / "weather.nc")
    forcing = open_forcing(tmp_path / "weather.nc", MESH, TABLE)
    write(FIRST, tmp_path / "fc.zarr", forcing=forcing, members=5, batch=2, steps=1)
    whole = write(FIRST, tmp_path / "fc.zarr", forcing=forcing, members=5, batch=2, steps=3)
    for name in FORECAST:
        np.testing.assert_array_equal(whole[name], driven[name])

    other = ensemble()
    other["uas"][2] += 1.0
    with pytest.raises(InputError, match="forcing"):
        write(FIRST, tmp_path / "fc.zarr", forcing=other, members=5, batch=2, steps=4)


def test_several_models_have_the_weather_of_the_number_of_the_member(tmp_path):
    both = write([FIRST, SECOND], tmp_path / "fc.zarr", forcing=ensemble(), members=5, batch=2)
    np.testing.assert_array_equal(both["siu"][4], forecast(weather(1), SECOND)["siu"][4])


def test_winds_on_another_grid_are_those_of_single_files():
    there = small_trajectory(regular_grid(15))
    scaled = [there.assign({name: there[name] * (1 + member) for name in WINDS}) for member in range(2)]
    together = there.drop_vars(WINDS).assign(xr.concat([one[list(WINDS)] for one in scaled], "member"))
    time = there["time"].values[1]
    both = open_forcing(together, MESH, TABLE).at(time, (0, 1)).forcing
    for member in range(2):
        np.testing.assert_array_equal(both[member], open_forcing(scaled[member], MESH, TABLE).at(time).forcing)


def test_degree_days_are_those_of_the_temperature_of_the_member():
    forcing = open_forcing(DATA.assign(warm(3)), MESH, TABLE).with_degree_days(["fdd_month"])
    names = [one.name for one in TABLE.slow]
    slow = forcing.at(DATA["time"].values[2]).slow[..., names.index("fdd_month")]
    days = float((DATA["time"].values[2] - DATA["time"].values[0]) / np.timedelta64(1, "D"))
    np.testing.assert_allclose(slow, (10.0 - np.arange(3.0))[:, None] * days * np.ones(MESH.n_faces), rtol=1e-4)


def test_a_recorded_step_is_asked_with_the_forcing_of_each_member():
    plan = FIRST.plan(MESH)
    forcing = open_forcing(ensemble(2), MESH, TABLE)
    now = FIRST.drivers_at(forcing, DATA["time"].values[0], range(2, 4))
    assert now.forcing.shape[0] == 2
    state = FIRST.first_states(DATA.isel(time=0)).expand(2, -1, -1)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    after = FIRST.step(state, now.forcing, now.forcing, now.slow, plan, generators)
    assert not torch.equal(after[0], after[1])


# Wrong input


def test_two_ensembles_of_different_size_are_refused():
    bare = DATA.drop_vars(WINDS)
    with pytest.raises(InputError, match=r"3 members of uas, vas and 2 members of"):
        open_forcing([bare.assign(ensemble(3)[list(WINDS)]), bare.assign(warm(2))], MESH, TABLE)


def test_files_of_different_size_that_follow_each_other_are_refused():
    parts = [ensemble(3).isel(time=slice(0, 4)), ensemble(2).isel(time=slice(4, None))]
    with pytest.raises(InputError, match=r"same members"):
        open_forcing(parts, MESH, TABLE)


def test_training_takes_one_weather():
    data = [Trajectories.from_dataset(DATA, TABLE, np.timedelta64(6, "h"))]
    with pytest.raises(InputError, match=r"3 members.*isel\(member=0\)"):
        with_forcing(data, ensemble(), TABLE)
