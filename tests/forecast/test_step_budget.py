"""Budget of a forecast: transport and source make up the change, and transport conserves."""

import dataclasses
import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from support.forecasts import DATA, MESH, in_a_process, killed_at, same_files, small_model, write

import gensim_graph as gg
from gensim_graph.assimilate import Assimilation, Observations
from gensim_graph.data import Statistics
from gensim_graph.errors import InputError
from gensim_graph.evaluate import evaluate
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import forecast_run
from gensim_graph.transport import plan_transport

MODEL = small_model()


@pytest.fixture(scope="module")
def forecast(tmp_path_factory):
    return write(MODEL, tmp_path_factory.mktemp("forecast") / "fc.zarr", batch=2, budget=True)


def test_transport_and_source_are_the_change(forecast):
    change = forecast["sit"].diff("lead_time")
    terms = (forecast["sit_transport"] + forecast["sit_source"]).isel(lead_time=slice(1, None))
    np.testing.assert_allclose(terms.values, change.values, rtol=0, atol=1e-5)
    assert np.isnan(forecast["sit_transport"].isel(lead_time=0)).all()
    assert forecast["sit_source"].attrs["units"] == "m"


def test_transport_is_that_of_the_written_drift(forecast):
    before, after = (forecast.isel(lead_time=lead) for lead in (1, 2))
    drift = [torch.from_numpy(np.stack([each["siu"], each["siv"]], axis=-1)) for each in (before, after)]
    thickness = torch.from_numpy(before["sit"].values)[..., None]
    moved = plan_transport(MESH, fastest=0.6).move(thickness, *drift, seconds=6 * 3600.0)
    expected = (moved - thickness)[..., 0].numpy()
    np.testing.assert_allclose(after["sit_transport"].values, expected, rtol=0, atol=1e-5)


def test_transport_conserves_in_a_closed_box(forecast):
    total = np.abs(forecast["sit_transport"].isel(lead_time=slice(1, None)).values @ MESH.areas)
    assert (total < 1e-6 * (forecast["sit"].isel(lead_time=0).values @ MESH.areas).max()).all()


def test_states_are_those_of_a_forecast_without_budget(forecast, tmp_path):
    plain = write(MODEL, tmp_path / "fc.zarr", batch=2)
    assert "sit_source" not in plain
    for name in ("sit", "sic", "siu"):
        np.testing.assert_array_equal(forecast[name].values, plain[name].values)


def test_scores_do_not_see_the_budget(forecast, caplog):
    names = set(evaluate(forecast, DATA)["variable"])
    assert names == {"sit", "sic", "sid", "siu", "siv"}
    assert "sit_source" not in caplog.text  # nobody expects it in the truth


def test_every_second_state_has_the_budget_of_its_last_step(forecast, tmp_path):
    whole = write(MODEL, tmp_path / "a.zarr", batch=2, steps=4, budget=True)
    second = write(MODEL, tmp_path / "b.zarr", batch=2, steps=4, every=2, variables=["sic"], budget=True)
    np.testing.assert_array_equal(
        second["sit_source"].isel(lead_time=1).values, whole["sit_source"].isel(lead_time=2).values
    )
    assert "sit" not in second


def test_a_model_without_drift_has_no_budget(tmp_path):
    statistics = MODEL.normaliser.statistics
    values = {name: pair for name, pair in statistics.values.items() if name not in ("siu", "siv")}
    lame = Statistics(statistics.lead_hours, values, statistics.residuals)
    model = dataclasses.replace(MODEL, normaliser=dataclasses.replace(MODEL.normaliser, statistics=lame))
    with pytest.raises(InputError, match="budget: needs a model that forecasts the drift"):
        gg.write_forecast(model, DATA.isel(time=0), DATA, tmp_path / "fc.zarr", steps=1, budget=True, progress=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("at", [14, 22, 30])
def test_a_killed_forecast_goes_on_with_the_same_budget(tmp_path, monkeypatch, at):
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)
    given = {"steps": 3, "members": 3, "batch": 2, "budget": True}
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"

    def begin():
        killed_at(at)
        write(MODEL, killed, **given)

    assert in_a_process(lambda: write(MODEL, whole, **given)) == 0
    assert in_a_process(begin) == -signal.SIGKILL
    assert in_a_process(lambda: write(MODEL, killed, **given)) == 0
    assert same_files(whole, killed)


def test_each_member_has_the_budget_of_its_own_model(tmp_path):
    models = [MODEL, small_model(seed=1)]
    both = write(models, tmp_path / "both.zarr", members=4, batch=2, budget=True)
    for number, model in enumerate(models):
        alone = write(model, tmp_path / f"{number}.zarr", members=4, batch=2, budget=True)
        block = slice(2 * number, 2 * number + 2)
        for name in ("sit_transport", "sit_source"):
            np.testing.assert_array_equal(both[name].isel(member=block), alone[name].isel(member=block))


def test_in_memory_and_on_disk_are_the_same(forecast):
    memory = MODEL.forecast(DATA.isel(time=0), DATA, steps=3, members=4, batch=2, budget=True, progress=False)
    for name in ("sit_transport", "sit_source"):
        np.testing.assert_array_equal(memory[name].values, forecast[name].values)
        assert memory[name].attrs.items() <= forecast[name].attrs.items()


def test_a_forecast_goes_on_only_with_the_budget_it_began_with(tmp_path):
    write(MODEL, tmp_path / "fc.zarr", steps=1)
    with pytest.raises(InputError, match="sit_transport"):
        write(MODEL, tmp_path / "fc.zarr", steps=2, budget=True)


@pytest.mark.parametrize("method", ["guided", "letkf"])
def test_the_source_contains_what_observations_change(tmp_path, method):
    x, y = MESH.centres[[3, 20, 40]].T
    rows = {"variable": ["sit"] * 3, "x": x, "y": y, "value": [0.5] * 3, "error": [0.05] * 3}
    given = Observations.from_table(pd.DataFrame(rows | {"time": DATA["time"].values[2]}))
    observed = Assimilation(given, method)
    flow = dataclasses.replace(MODEL, sampler=SamplerConfig(steps=2))
    came = write(flow, tmp_path / "fc.zarr", steps=2, batch=2, budget=True, observations=observed)
    terms = (came["sit_transport"] + came["sit_source"]).isel(lead_time=slice(1, None))
    np.testing.assert_allclose(terms, came["sit"].diff("lead_time"), rtol=0, atol=1e-5)
