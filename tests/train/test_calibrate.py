"""Calibration: a known bias of the last layer is found, sets count alike, wrong input is refused in words."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from support.surrogates import DATA, random_surrogate

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import calibrate
from gensim_graph.train.calibrating import free_windows, last_layer

STEP = np.timedelta64(6, "h")


def twin() -> Surrogate:
    return random_surrogate(deterministic=True, size=0.05)


def biased(model: Surrogate, size: float = 0.2) -> Surrogate:
    """The same model, with other weights for the thickness in its last layer."""
    operator = copy.deepcopy(model.operator)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        operator.project.scalar.weight[0] += size * torch.randn(
            operator.project.scalar.weight[0].shape, generator=generator
        )
        operator.project.scalar.bias[0] += size
    return replace(model, operator=operator)


def run_of(model: Surrogate, steps: int = 4) -> xr.Dataset:
    """Forecast as data: state, forcing and mesh at the times of the steps."""
    times = DATA["time"].values
    forecast = model.forecast(DATA.isel(time=0), DATA, steps=steps, members=1, progress=False).isel(member=0)
    here = DATA.sel(time=times[0] + STEP * np.arange(steps + 1))
    names = ("sit", "sic", "sid", "siu", "siv")
    return here.assign({name: (("time", "face"), forecast[name].values, here[name].attrs) for name in names})


@pytest.fixture(scope="module")
def truth() -> xr.Dataset:
    return run_of(biased(twin()))


def step_errors(model: Surrogate, truth: xr.Dataset) -> np.ndarray:
    """Errors of the thickness after single steps from the truth."""
    errors = []
    for number in range(truth.sizes["time"] - 1):
        found = model.forecast(truth.isel(time=number), DATA, steps=1, members=1, progress=False)
        errors.append(found["sit"].values[0, 1] - truth["sit"].values[number + 1])
    return np.array(errors)


def test_a_known_bias_is_removed(truth, monkeypatch):
    """The truth was made by the same network with other weights in the last layer: cell by cell, they are found."""
    monkeypatch.setattr(free_windows, "_GROUP", 1)
    monkeypatch.setattr(last_layer, "_RIDGE", 1e-9)
    calibrated, _ = calibrate(twin(), [truth], window="6h", progress=False)
    found, expected = (one.operator.project.scalar for one in (calibrated, biased(twin())))
    torch.testing.assert_close(found.weight, expected.weight, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.bias, expected.bias, atol=1e-3, rtol=1e-3)


def test_the_means_of_groups_are_right(truth):
    """With the ridge and groups as they are: not each cell, but the mesh as a whole."""
    calibrated, (row,) = calibrate(twin(), [truth], window="6h", progress=False)
    before, after = (np.abs(step_errors(model, truth).mean(axis=1)).mean() for model in (twin(), calibrated))
    assert after < 0.1 * before
    assert row.groups_after < 0.1
    assert abs(row.mean_after) < 0.05 * abs(row.mean)
    assert (row.variable, row.steps) == ("sit", 4)
    np.testing.assert_allclose(row.mean, -step_errors(twin(), truth).mean(), rtol=0.2)  # not weighted by area


def test_other_variables_and_the_given_model_stay(truth):
    model = twin()
    kept = copy.deepcopy(model.operator.state_dict())
    calibrated, _ = calibrate(model, [truth], window="12h", progress=False)
    for name, weights in calibrated.operator.state_dict().items():
        assert torch.equal(model.operator.state_dict()[name], kept[name])
        same = weights == kept[name]
        assert same[1:].all() if name.startswith("project.scalar") else same.all(), name


def test_without_errors_nothing_changes():
    model = twin()
    calibrated, (row,) = calibrate(model, [run_of(model)], window="24h", progress=False)
    assert abs(row.mean) < 1e-6
    found, expected = (one.operator.project.scalar.weight for one in (calibrated, model))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_sets_count_alike(truth):
    """A set that holds a trajectory twice counts as much as with one of it; alone in a set, it would count more."""
    other = run_of(twin(), steps=3)
    found = [
        calibrate(twin(), sets, window="12h", progress=False)[0].operator.project.scalar.weight[0]
        for sets in ([truth, other], [[truth, truth], other], [truth, other, truth.isel(time=slice(0, 4))])
    ]
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)
    assert (found[2] - found[0]).abs().max() > 1e-3


def test_files_that_continue_each_other_are_one_run(truth, tmp_path):
    truth.isel(time=slice(0, 2)).to_netcdf(tmp_path / "a.nc")
    truth.isel(time=slice(2, 5)).to_netcdf(tmp_path / "b.nc")
    (whole, (row,)), (parts, (same,)) = (
        calibrate(twin(), [source], window="24h", progress=False) for source in (truth, str(tmp_path / "*.nc"))
    )
    assert (row.steps, row.mean) == (same.steps, pytest.approx(same.mean, rel=1e-4))
    torch.testing.assert_close(parts.operator.project.scalar.weight, whole.operator.project.scalar.weight)


def test_a_student_is_calibrated_with_its_noise(truth, tmp_path):
    """The saved model is the one that is returned, and says what was done."""
    student = replace(twin(), deterministic=False, sampler=SamplerConfig(steps=1, method="euler"))
    sets = {"storms": [truth]}
    found, (row,) = calibrate(student, sets, window="12h", out=tmp_path / "new", progress=False)
    saved = Surrogate.load(tmp_path / "new")
    assert row.name == "storms"
    assert torch.equal(saved.operator.project.scalar.bias, found.operator.project.scalar.bias)
    assert "calibrated: sit on storms; windows of 12h" in str(saved)


def test_the_spread_stays(monkeypatch):
    """The truth is another member of the same student: plain least squares would find less noise better."""
    monkeypatch.setattr(free_windows, "_GROUP", 1)
    student = replace(random_surrogate(size=0.1), sampler=SamplerConfig(steps=1, method="euler"))
    given = {"steps": 1, "progress": False}
    calibrated, _ = calibrate(student, [run_of(student)], window="6h", progress=False)
    before, after = (
        model.forecast(DATA.isel(time=0), DATA, members=32, **given)["sit"].isel(lead_time=1).std("member").mean()
        for model in (student, calibrated)
    )
    assert float(after / before) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variables": ["siu"]}, "variables siu: expected scalars of the model, sit, sic, sid"),
        ({"variables": []}, "variables none"),
        ({"window": "3h"}, "window '3h': expected 21600 seconds"),
        ({"window": "soon"}, "such as 120d"),
    ],
)
def test_wrong_settings(truth, change, message):
    with pytest.raises(InputError, match=message):
        calibrate(twin(), [truth], **{"window": "12h", "progress": False} | change)


def test_wrong_models_data_and_folders(truth, tmp_path):
    with pytest.raises(InputError, match=r"evaluations in a step.*give a student"):
        calibrate(random_surrogate(), [truth])
    with pytest.raises(InputError, match="no two records are a step of the model"):
        calibrate(twin(), [truth.isel(time=[0])], window="6h")
    gaps = truth.assign(sit=truth["sit"].where(np.arange(truth.sizes["face"]) > 0))
    with pytest.raises(InputError):
        calibrate(twin(), [gaps], window="6h", out=tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        calibrate(twin(), [truth], window="6h", out=tmp_path)
    with pytest.raises(InputError, match="given twice"):
        calibrate(twin(), ["a.nc", "a.nc"])


def test_the_command(run, truth, tmp_path):
    truth.to_netcdf(tmp_path / "run.nc")
    twin().save(tmp_path / "twin")
    command = ("calibrate", "--model", tmp_path / "twin", "--data", tmp_path / "run.nc", "--window", "12h")
    code, out, error = run(*command, "--out", tmp_path / "new")
    assert code == 0, error
    assert "run.nc" in out
    assert "sit" in out
    assert gg.Surrogate.load(tmp_path / "new").deterministic
    code, _, error = run(*command, "--out", tmp_path / "new")
    assert code == 2
    assert "expected a new or empty folder" in error
