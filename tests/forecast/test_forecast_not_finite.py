"""A state that is not finite is never written, whenever it is found, and the error names the first one."""

import numpy as np
import pytest
import torch
import xarray as xr
from support.forecasts import DATA, FORECAST, MESH, small_model, write

from gensim_graph.errors import InputError
from gensim_graph.forecast import forecast_run
from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.restart import read_restart

MODEL = small_model()
BROKEN = 3
"""Number of the step whose state is not finite."""


@pytest.fixture
def broken(monkeypatch):
    """A device on which a step does not look at its state; the third one breaks, the fourth looks sound again."""
    advance = type(MODEL).advance

    def step(self, state, forcing, time, number, *others):
        came = advance(self, state.nan_to_num(), forcing, time, number, *others)
        return torch.where(torch.arange(came.shape[1])[:, None] == 5, torch.nan, came) if number == BROKEN - 1 else came

    monkeypatch.setattr(type(MODEL), "advance", step)


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("save_seconds", [0.0, 1e9])
def test_nothing_broken_is_written(broken, every, save_seconds, tmp_path, monkeypatch):
    """States are written at every step, or seldom; restart files at every step, or at the end."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", save_seconds)
    out = tmp_path / "fc.zarr"
    with pytest.raises(InputError, match=r"from 2000-01-01T12:00 on \(step 3\) is not finite"):
        write(MODEL, out, steps=5, members=2, batch=2, every=every)

    stored = xr.open_zarr(out).load()
    written = range(1 + (BROKEN - 1) // every) if save_seconds == 0 else range(0)
    for name in FORECAST:
        values = stored[name].values
        assert np.isfinite(values[:, written]).all()
    restart = read_restart(out, WorkUnit(0, range(2)))
    assert (restart is None) == (save_seconds > 0)
    if restart is not None:
        assert restart.step == BROKEN - 1
        assert torch.isfinite(restart.state).all()


def test_a_forecast_that_broke_goes_on_from_its_last_sound_state(broken, tmp_path, monkeypatch):
    """With the cause removed, the same command gives the store of an undisturbed forecast."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)
    with pytest.raises(InputError, match="not finite"):
        write(MODEL, tmp_path / "fc.zarr", steps=4, members=2, batch=2)
    monkeypatch.undo()
    came = write(MODEL, tmp_path / "fc.zarr", steps=4, members=2, batch=2)
    whole = write(MODEL, tmp_path / "whole.zarr", steps=4, members=2, batch=2)
    for name in FORECAST:
        np.testing.assert_array_equal(came[name].values, whole[name].values)


def test_the_forcing_of_a_forecast_is_read_once_a_time(tmp_path, monkeypatch):
    """Also for the restart files, which remember it; and once before, for the identity of the forecast."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)
    forcing = MODEL.drivers(DATA, MESH, [DATA["time"].values[0]], 4)
    times, read = [], forcing.at

    def at(time, members=()):
        times.append(time)
        return read(time, members)

    forcing.at = at
    write(MODEL, tmp_path / "fc.zarr", forcing=forcing, steps=4, members=2, batch=2)
    lead = np.timedelta64(6, "h")
    start = DATA["time"].values[0]
    assert times == [start, *(start + step * lead for step in range(5))]
