"""The guard in a store: all steps are guarded, whatever is written; the numbers are those of a forecast in memory."""

import numpy as np
import pytest
from support.forecasts import DATA, small_model, write

from gensim_graph.errors import InputError
from gensim_graph.forecast import forecast_run

MODEL = small_model()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(MODEL, tmp_path_factory.mktemp("forecast") / "fc.zarr", batch=2, steps=4)


def test_numbers_are_those_of_a_forecast_in_memory(whole):
    came = MODEL.forecast(DATA.isel(time=0), DATA, steps=4, members=4, batch=2, progress=False)
    for name in ("guard_sit", "guard_siu_siv", "guard_uas_vas"):
        np.testing.assert_array_equal(whole[name].values, came[name].values)
        assert whole[name].attrs == came[name].attrs


def test_every_second_state(whole, tmp_path):
    second = write(MODEL, tmp_path / "fc.zarr", batch=2, steps=4, every=2, variables=["sic"])
    np.testing.assert_array_equal(second["guard_sit"].values, whole["guard_sit"].isel(lead_time=[0, 2, 4]).values)


def test_it_goes_on_where_it_stopped(whole, tmp_path, monkeypatch):
    """The growth of the steps before is kept, although each step is written alone."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)
    write(MODEL, tmp_path / "fc.zarr", batch=2, steps=1)
    came = write(MODEL, tmp_path / "fc.zarr", batch=2, steps=4)
    np.testing.assert_array_equal(came["guard_sit"].values, whole["guard_sit"].values)


def test_a_forecast_without_it_is_another_one(tmp_path):
    plain = write(MODEL, tmp_path / "fc.zarr", steps=1, guard=False)
    assert not [name for name in plain.data_vars if str(name).startswith("guard_")]
    with pytest.raises(InputError, match="without guard yes, not no"):
        write(MODEL, tmp_path / "fc.zarr", steps=2)
