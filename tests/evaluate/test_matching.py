"""Forecast and truth side by side: the error messages for input that does not fit together, and lead time zero."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.verification import START, forecast_of, truth_of

from gensim_graph.errors import InputError
from gensim_graph.evaluate import chosen_variables, evaluate, persistence_beside, scored_table
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables


def wrong_inputs() -> dict:
    fine, truth = forecast_of(np.ones((1, 2, 2, 3))), truth_of(np.ones((3, 3)))
    holes = fine.copy(deep=True)
    holes["sit"][0, 1, 1, 2] = np.nan
    both = truth.assign(sic=truth["sit"])
    return {
        "time": (fine, truth.isel(time=[0, 1]), "1 of 2 valid times are missing"),
        "faces": (fine, truth_of(np.ones((3, 4))), "truth: 'sit' has dims.*3 faces"),
        "other variables": (fine, both.drop_vars("sit"), "no state variable in common.*it has sit, the truth has sic"),
        "nothing": (fine.rename(sit="abc"), truth, "state variable"),
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


def test_variables_of_one_side_are_left_out(caplog: pytest.LogCaptureFixture):
    """A forecast of some variables is scored on those, and one line names the rest."""
    forecast, truth = forecast_of(np.ones((1, 2, 2, 3))), truth_of(np.zeros((3, 3)))
    alone = evaluate(forecast, truth, np.ones(3))
    more = evaluate(forecast.assign(snt=forecast["sit"]), truth.assign(sic=truth["sit"]), np.ones(3))
    pd.testing.assert_frame_equal(more, alone)
    assert caplog.messages == ["scored: sit; left out: snt (the truth lacks it); sic (the forecast lacks it)"]


def test_all_models_have_the_same_variables():
    forecast, truth = forecast_of(np.ones((1, 2, 2, 3))), truth_of(np.zeros((3, 3)))
    both = truth.assign(sic=truth["sit"])
    still = persistence_beside(forecast, both)
    assert set(evaluate(forecast, both, np.ones(3), {"persistence": still})["variable"]) == {"sit"}
    with pytest.raises(InputError, match="baseline 'twin': it lacks 'sic'"):
        evaluate(forecast.assign(sic=forecast["sit"]), both, np.ones(3), {"twin": forecast})


def test_own_variable_is_scored():
    """A variable that is not in the table that ships is scored with the units of the forecast."""
    values = np.random.default_rng(0).random((1, 2, 2, 3))
    forecast, truth = forecast_of(values, "ridge"), truth_of(np.zeros((3, 3)), "ridge")
    forecast["ridge"].attrs["units"] = "cm"
    scores = evaluate(forecast, truth, np.ones(3), {"persistence": persistence_beside(forecast, truth)})
    expected = np.sqrt((values.mean(axis=1) ** 2).mean(axis=-1))[0]
    own = scores[scores["model"] == "forecast"]
    assert own["variable"].tolist() == ["ridge", "ridge"]
    np.testing.assert_allclose(own["rmse"], expected)
    assert scored_table(forecast)["ridge"].units == "cm"


def test_chosen_variables():
    table = chosen_variables(default_variables(), ["sit", " sic"])
    assert [variable.name for variable in table.state] == ["sit", "sic"]
    assert table.forcing == default_variables().forcing
    for names, message in ((["sitt"], "unknown variable 'sitt'; expected some of sit"), ([""], "no variable"),
                           (["siu"], "name 'siv' too")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            chosen_variables(default_variables(), names)


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
