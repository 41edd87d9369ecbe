"""Members of several trained models: each is the member that its model alone forecasts, whatever is done with it."""

import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from support.forecasts import DATA, FORECAST, MESH, TABLE, in_a_process, killed_at, same_files, write
from support.model_lists import SUNNY, named_model, sunny_model, without_ranges

import gensim_graph as gg
from gensim_graph.assimilate import Assimilation, ObservationOperator, Observations
from gensim_graph.data import open_forcing
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import ModelSet, forecast_run, read_initial
from gensim_graph.surrogate import model_hash

FIRST, SECOND = named_model("first", 0), named_model("second", 1)
BOTH = [FIRST, SECOND]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Eight members in batches of two, three steps."""
    return write(BOTH, tmp_path_factory.mktemp("forecast") / "fc.zarr", members=8, batch=2)


def alone(model, **options):
    """A forecast of one model in memory."""
    given = {"initial": DATA.isel(time=0), "forcing": DATA, "steps": 3, "members": 8, "batch": 2} | options
    return model.forecast(**given, progress=False)


# What a member is


def test_a_member_is_that_of_its_model_alone(shared):
    for model, block in ((FIRST, slice(0, 4)), (SECOND, slice(4, 8))):
        inside = alone(model)
        for name in (*FORECAST, "guard_sit", "guard_siu_siv", "guard_uas_vas"):
            np.testing.assert_array_equal(shared[name][block], inside[name][block])
    assert not np.array_equal(shared["siu"][4:], alone(FIRST)["siu"][4:])


def test_the_store_says_which_member_came_from_which_model(shared):
    assert shared["model"].dims == ("member",)
    assert shared["model"].values.tolist() == ["first"] * 4 + ["second"] * 4
    assert "model" in shared["sic"].coords
    assert shared.attrs["model_name"] == "first, second"
    assert shared.attrs["model_hash"] == f"{model_hash(FIRST)}, {model_hash(SECOND)}"
    assert shared.attrs["model_members"] == "first: 0 to 3; second: 4 to 7"
    mine = shared.sel(member=shared["model"] == "second")
    assert mine["member"].values.tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize(("members", "count"), [(5, 2), (7, 3), (3, 3), (16, 5)])
def test_blocks_are_consecutive_and_as_even_as_can_be(members, count):
    models = ModelSet(tuple(named_model(str(seed), 0) for seed in range(count)), tuple(map(str, range(count))))
    blocks = models.blocks(members)
    assert [member for block in blocks for member in block] == list(range(members))
    sizes = [len(block) for block in blocks]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


@pytest.mark.parametrize("batch", [1, 3, "auto", 7])
def test_batches_that_cross_the_border_of_two_blocks(tmp_path, batch):
    """Seven members: four and three. Batches change the numbers by rounding only."""
    came = write(BOTH, tmp_path / "fc.zarr", members=7, batch=batch)
    for model, block in ((FIRST, slice(0, 4)), (SECOND, slice(4, 7))):
        inside = alone(model, members=7)
        for name in FORECAST:
            np.testing.assert_allclose(came[name][block], inside[name][block], atol=2e-4)


def test_a_list_of_one_model_is_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    write([FIRST], tmp_path / "list.zarr")
    plain = write(FIRST, tmp_path / "model.zarr")
    assert same_files(tmp_path / "list.zarr", tmp_path / "model.zarr")
    assert "model" not in plain.coords
    assert "model_members" not in plain.attrs


def test_models_of_the_same_name_are_told_apart(tmp_path):
    other = replace(SECOND, name="first")
    came = write([FIRST, other], tmp_path / "fc.zarr", steps=1, members=2)
    assert came["model"].values.tolist() == [f"first ({model_hash(one)[:8]})" for one in (FIRST, other)]


# What they need


def test_each_model_gets_the_forcing_that_it_needs(tmp_path):
    """From a dataset, and from opened forcing whose variables are in another order than those of one model."""
    models = [FIRST, sunny_model()]
    opened = open_forcing(SUNNY, MESH, ModelSet.of(models).table)
    for number, forcing in enumerate((SUNNY, opened)):
        came = write(models, tmp_path / f"{number}.zarr", forcing=forcing, members=4, batch=2)
        np.testing.assert_array_equal(came["siu"][:2], alone(FIRST)["siu"][:2])
        np.testing.assert_array_equal(came["siu"][2:], alone(models[1], forcing=SUNNY, members=4)["siu"][2:])


def test_several_starts_of_ensembles_of_states(tmp_path):
    """Members take the initial states in turn by their numbers, whichever model forecasts them."""
    names = ["sit", "sic", "sid", "siu", "siv", "uas", "vas"]
    halved = DATA.assign({name: 0.5 * DATA[name] for name in ("sic", "sit")})
    states = xr.concat([DATA, halved], "trajectory", data_vars=names).isel(time=[0, 2])
    came = write(BOTH, tmp_path / "fc.zarr", initial=states, steps=2, members=4, batch=2)
    for model, block in ((FIRST, slice(0, 2)), (SECOND, slice(2, 4))):
        inside = alone(model, initial=states, steps=2, members=4)
        np.testing.assert_array_equal(came["sit"][:, block], inside["sit"][:, block])


def test_twins_have_one_member_for_each_state(tmp_path):
    twins = [replace(model, deterministic=True) for model in BOTH]
    came = write(twins, tmp_path / "fc.zarr", members=16)
    assert came["model"].values.tolist() == ["first", "second"]
    for number, model in enumerate(twins):
        np.testing.assert_array_equal(came["siu"][number], alone(model)["siu"][0])


def test_low_precision(tmp_path):
    models = [named_model("first", 0).to("cpu", "bf16"), named_model("second", 1).to("cpu", "bf16")]
    came = write(models, tmp_path / "fc.zarr", steps=1, members=4, batch=2)
    np.testing.assert_array_equal(came["siu"][2:], alone(models[1], steps=1, members=4)["siu"][2:])
    assert came.attrs["precision"] == "bf16"


# The guard


def test_a_model_that_knows_no_ranges_has_no_guard(tmp_path):
    """Its members are NaN in the guard; those of the other model are compared with its training data."""
    for number, models in enumerate([[FIRST, without_ranges(SECOND)], [without_ranges(FIRST), SECOND]]):
        came = write(models, tmp_path / f"{number}.zarr", members=4, batch=3)
        inside = alone(BOTH[number], members=4)
        known, unknown = (slice(0, 2), slice(2, 4)) if number == 0 else (slice(2, 4), slice(0, 2))
        assert np.isnan(came["guard_sit"][unknown]).all()
        np.testing.assert_allclose(came["guard_sit"][known], inside["guard_sit"][known], atol=2e-3)
        assert came["guard_sit"].attrs == inside["guard_sit"].attrs


def test_the_range_of_two_guards_lies_within_both(tmp_path):
    statistics = SECOND.normaliser.statistics
    ranges = {name: (low - 1.0, 0.9 * high) for name, (low, high) in statistics.ranges.items()}
    narrower = replace(SECOND.normaliser, statistics=replace(statistics, ranges=ranges))
    came = write([FIRST, replace(SECOND, normaliser=narrower)], tmp_path / "fc.zarr", steps=1, members=2)
    low, high = statistics.ranges["sit"]
    assert came["guard_sit"].attrs["training_minimum"] == pytest.approx(low)
    assert came["guard_sit"].attrs["training_maximum"] == pytest.approx(0.9 * high)


# Restarts and processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_whenever_a_file_is_put_in_place(tmp_path, monkeypatch):
    """A batch of three crosses the border; one of the models has no guard."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    path, kills, models = tmp_path / "fc.zarr", 0, [FIRST, without_ranges(SECOND)]

    def begin():
        killed_at(kills + 1)
        write(models, path, members=5, batch=3, steps=2)

    while in_a_process(begin) == -signal.SIGKILL:
        kills += 1
    assert kills > 6
    assert in_a_process(lambda: write(models, tmp_path / "whole.zarr", members=5, batch=3, steps=2)) == 0
    assert same_files(path, tmp_path / "whole.zarr")


def test_extended_and_shared_between_processes(tmp_path, monkeypatch, shared):
    """Two ranks, one after the other, then two steps more."""
    for steps in (1, 3):
        for rank in ("0", "1"):
            monkeypatch.setenv("WORLD_SIZE", "2")
            monkeypatch.setenv("RANK", rank)
            came = write(BOTH, tmp_path / "fc.zarr", members=8, batch=2, steps=steps)
    for name in (*FORECAST, "guard_sit"):
        np.testing.assert_array_equal(came[name], shared[name])


# What is done with it


def test_the_store_is_an_ensemble_of_initial_states_and_can_be_evaluated(tmp_path):
    first = write(BOTH, tmp_path / "fc.zarr", steps=2, members=4)
    initial = read_initial(f"{tmp_path / 'fc.zarr'}@2000-01-01T12:00", None, TABLE)
    later = write(BOTH, tmp_path / "later.zarr", initial=initial, steps=1, members=4)
    np.testing.assert_array_equal(later["sic"][:, 0], first["sic"][:, 2])
    table = gg.evaluate(first, DATA)
    plain = gg.evaluate(first.drop_vars("model"), DATA)
    pd.testing.assert_frame_equal(table, plain)


def observed(method: str) -> Assimilation:
    x, y = MESH.centres[[3, 20, 40]].T
    rows = {"variable": ["sic", "siu", "sit"], "x": x, "y": y, "value": [0.8, 0.1, 1.0], "error": [0.05, 0.02, 0.1]}
    return Assimilation(Observations.from_table(pd.DataFrame(rows | {"time": DATA["time"].values[2]})), method)


def test_observations_guide_the_members_of_each_model(tmp_path):
    flows = [replace(model, sampler=SamplerConfig(steps=2)) for model in BOTH]
    came = write(flows, tmp_path / "fc.zarr", steps=1, members=4, batch=2, observations=observed("guided"))
    for model, block in zip(flows, (slice(0, 2), slice(2, 4)), strict=True):
        inside = alone(model, steps=1, members=4, observations=observed("guided"))
        np.testing.assert_array_equal(came["siu"][block], inside["siu"][block])
        free = alone(model, steps=1, members=4)
        assert not np.array_equal(free["siu"].isel(lead_time=1), inside["siu"].isel(lead_time=1))


@pytest.mark.parametrize("method", ["guided", "both"])
def test_a_student_cannot_be_guided_and_no_store_is_begun(tmp_path, method):
    flow, student = (replace(FIRST, sampler=SamplerConfig(steps=steps)) for steps in (2, 1))
    student = replace(student, sampler=SamplerConfig(steps=1, method="euler"), name="student")
    with pytest.raises(gg.InputError, match="student: makes a step with one evaluation"):
        write([flow, student], tmp_path / "fc.zarr", steps=1, members=4, observations=observed(method))
    assert not (tmp_path / "fc.zarr").exists()


def test_the_filter_takes_the_members_of_all_models_for_one_ensemble(tmp_path):
    """The analysis is that of the free members of both models, put together by hand."""
    given = observed("letkf")
    came = write(BOTH, tmp_path / "fc.zarr", steps=1, members=4, batch=2, observations=given)
    free = [alone(model, steps=1, members=4).isel(lead_time=1) for model in BOTH]
    ensemble = xr.concat(
        [free[0].isel(member=slice(0, 2)), free[1].isel(member=slice(2, 4))], "member", data_vars=FORECAST
    )

    names = [variable.name for variable in TABLE.state if variable.name in FORECAST]
    states = torch.zeros(4, MESH.n_faces, len(TABLE.state))
    for channel, variable in enumerate(TABLE.state):
        if variable.name in names:
            states[..., channel] = torch.from_numpy(ensemble[variable.name].values)
    window = (DATA["time"].values[0], DATA["time"].values[2])
    operator = ObservationOperator.of(MESH, given.observations, TABLE, present=names, window=window)
    analysis = given.filter.analysis(states, operator, MESH, TABLE, names)

    for channel, variable in enumerate(TABLE.state):
        if variable.name in names:
            np.testing.assert_allclose(came[variable.name][:, 1], analysis[..., channel], atol=1e-5)
