"""``--model`` given several times: members of all of them, restarts, observations, and wrong input in clear words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.forecasts import DATA, MESH, small_model
from support.model_lists import SUNNY, sunny_model

import gensim_graph as gg
from gensim_graph.flow import SamplerConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A trajectory with short-wave radiation, observations of it, and four models."""
    place = tmp_path_factory.mktemp("several")
    DATA.to_netcdf(place / "run.nc")
    SUNNY.to_netcdf(place / "sunny.nc")
    x, y = MESH.centres[[3, 20]].T
    rows = {"variable": ["sic", "sit"], "x": x, "y": y, "value": [0.8, 1.0], "error": [0.05, 0.1]}
    pd.DataFrame(rows | {"time": DATA["time"].values[2]}).to_csv(place / "obs.csv", index=False)

    for seed, name in enumerate(("first", "second")):
        model = small_model(seed)
        model.sampler = SamplerConfig(steps=2)  # observations guide the second evaluation
        model.save(place / name)
    sunny_model().save(place / "sunny")
    twin = small_model(0)
    twin.deterministic = True
    twin.save(place / "twin")
    return place


def command(folder: Path, out: Path, *models: str, name: str = "forecast", file: str = "run.nc") -> list[object]:
    words = [word for model in models for word in ("--model", folder / model)]
    given = [name, *words, "--initial", f"{folder / file}@2000-01-01", "--members", 4, "--batch", 2]
    return [*given, "--steps", 1, "--out", out]


def test_members_of_two_models(run, folder, tmp_path):
    code, _, said = run(*command(folder, tmp_path / "fc.zarr", "first", "second"))
    assert code == 0, said
    store = xr.open_zarr(tmp_path / "fc.zarr")
    assert store["model"].values.tolist() == ["first", "first", "second", "second"]
    for model, block in (("first", slice(0, 2)), ("second", slice(2, 4))):
        alone = gg.Surrogate.load(folder / model).forecast(DATA.isel(time=0), DATA, 1, 4, batch=2, progress=False)
        np.testing.assert_array_equal(store["siu"][block], alone["siu"][block])


def test_it_goes_on_and_refuses_other_models(run, folder, tmp_path):
    out = tmp_path / "fc.zarr"
    assert run(*command(folder, out, "first", "second"))[0] == 0
    assert run(*command(folder, out, "first", "second"), "--steps", 2)[0] == 0
    code, _, said = run(*command(folder, out, "second", "first"), "--steps", 2)
    assert (code, "another model" in said) == (2, True)


def test_forcing_of_the_file_has_what_one_of_them_needs(run, folder, tmp_path):
    """The table of the second model has a variable that the first one does not know."""
    code, _, said = run(*command(folder, tmp_path / "fc.zarr", "first", "sunny", file="sunny.nc"))
    assert code == 0, said
    alone = gg.Surrogate.load(folder / "sunny").forecast(SUNNY.isel(time=0), SUNNY, 1, 4, batch=2, progress=False)
    np.testing.assert_allclose(xr.open_zarr(tmp_path / "fc.zarr")["siu"][2:], alone["siu"][2:], atol=1e-5)
    code, _, said = run(*command(folder, tmp_path / "other.zarr", "first", "sunny"))
    assert (code, "rsds missing" in said) == (2, True)


def test_models_that_do_not_agree(run, folder, tmp_path):
    code, _, said = run(*command(folder, tmp_path / "fc.zarr", "first", "twin"))
    assert code == 2
    assert "expected a flow, as of the first; came a deterministic twin" in said
    code, _, said = run(*command(folder, tmp_path / "fc.zarr", "first", "first"))
    assert (code, "the same model; name it once" in said) == (2, True)
    code, _, said = run(*command(folder, tmp_path / "fc.zarr", "first", "second"), "--members", 1)
    assert (code, "forecast.members: expected 2 or more" in said) == (2, True)


@pytest.mark.parametrize("method", ["guided", "letkf", "both"])
def test_an_analysis_with_two_models(run, folder, tmp_path, method):
    given = command(folder, tmp_path / "a.zarr", "first", "second", name="assimilate")
    code, out, said = run(*given, "--observations", folder / "obs.csv", "--method", method)
    assert code == 0, said
    assert "rcrv std" in out
    store = xr.open_zarr(tmp_path / "a.zarr")
    assert store["model"].values.tolist() == ["first", "first", "second", "second"]
    with xr.open_dataset(next((tmp_path / "a.zarr" / "innovations").rglob("*.nc"))) as innovations:
        assert 0 < innovations.sizes["member"] <= 4


def test_a_forecast_with_observations(run, folder, tmp_path):
    given = command(folder, tmp_path / "fc.zarr", "first", "second")
    assert run(*given, "--observations", folder / "obs.csv")[0] == 0


def test_a_student_among_the_models_is_refused_before_anything_is_written(run, folder, tmp_path):
    student = small_model(2)
    student.sampler = SamplerConfig(steps=1, method="euler")
    student.save(tmp_path / "student")
    given = command(folder, tmp_path / "fc.zarr", "first", str(tmp_path / "student"))
    code, _, said = run(*given, "--observations", folder / "obs.csv")
    assert code == 2
    assert "student: makes a step with one evaluation" in said
    assert not (tmp_path / "fc.zarr").exists()
