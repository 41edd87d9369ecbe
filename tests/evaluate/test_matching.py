"""Forecast and truth side by side: the error messages for input that does not fit together, and lead time zero."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.verification import START, forecast_of, truth_of

from gensim_graph.errors import InputError
from gensim_graph.evaluate import evaluate
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh


def wrong_inputs() -> dict:
    fine, truth = forecast_of(np.ones((1, 2, 2, 3))), truth_of(np.ones((3, 3)))
    holes = fine.copy(deep=True)
    holes["sit"][0, 1, 1, 2] = np.nan
    both = truth.assign(sic=truth["sit"])
    return {
        "time": (fine, truth.isel(time=[0, 1]), "1 of 2 valid times are missing"),
        "faces": (fine, truth_of(np.ones((3, 4))), "truth: 'sit' has dims.*3 faces"),
        "variable": (fine, both, "forecast: state variable 'sic' is missing"),
        "truth lacks": (fine.assign(sic=fine["sit"]), truth, "truth: state variable 'sic' is missing"),
        "nothing": (fine.rename(sit="abc"), truth.rename(sit="abc"), "state variable"),
        "nan": (holes, truth, "forecast: 'sit' has 1 of 6 values that are not finite at lead 24 h"),
        "truth nan": (fine, truth.where(truth["sit"].time != truth.time[1]), "truth: 'sit' has 3 of 3"),
        "no valid_time": (fine.drop_vars("valid_time"), truth, "valid_time"),
        "no time": (fine, truth.isel(time=0), "dimension 'time'"),
        "trajectories": (fine, truth.expand_dims(trajectory=2), "2 trajectories"),
    }


@pytest.mark.parametrize("case", wrong_inputs())
def test_wrong_input_is_named(case: str):
    forecast, truth, message = wrong_inputs()[case]
    with pytest.raises(InputError, match=message):
        evaluate(forecast, truth, np.ones(3))


def test_lead_zero_is_not_scored():
    forecast, truth = forecast_of(np.ones((1, 1, 2, 3))), truth_of(np.zeros((3, 3)))
    initial = forecast.isel(lead_time=[0]).assign_coords(
        lead_time=[np.timedelta64(0, "ns")], valid_time=(("start", "lead_time"), [[START]])
    )
    with_initial = xr.concat([initial, forecast], "lead_time")
    assert with_initial.sizes["lead_time"] == 3
    pd.testing.assert_frame_equal(evaluate(with_initial, truth, np.ones(3)), evaluate(forecast, truth, np.ones(3)))
    with pytest.raises(InputError, match="beyond the start"):
        evaluate(initial, truth, np.ones(3))


def test_no_mesh_and_no_areas():
    with pytest.raises(InputError, match="areas="):
        evaluate(forecast_of(np.ones((1, 1, 1, 3))), truth_of(np.ones((2, 3))))


def test_another_mesh(small_mesh: Mesh, square_grid: Mesh):
    forecast = mesh_to_dataset(small_mesh).merge(forecast_of(np.ones((1, 1, 1, small_mesh.n_faces))))
    truth = mesh_to_dataset(square_grid).merge(truth_of(np.ones((2, square_grid.n_faces))))
    with pytest.raises(InputError, match="is not that of the truth"):
        evaluate(forecast, truth)


def test_baseline_of_other_times():
    truth = truth_of(np.ones((3, 1)))
    with pytest.raises(InputError, match="baseline 'late'"):
        evaluate(forecast_of(np.ones((1, 1, 1, 1))), truth, np.ones(1), {"late": forecast_of(np.ones((1, 1, 2, 1)))})
