"""Truths of both kinds beside one forecast: told apart, scored together, by the command line and in the report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.products import START, arctic_mesh, forecast_on, hours, write_drift, write_osisaf

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.evaluate import chosen_variables, evaluate, open_truths, score_observations, scored_table
from gensim_graph.io import mesh_to_dataset

DAY = [hours(0), hours(24)]


@pytest.fixture(scope="module")
def forecast() -> xr.Dataset:
    mesh = arctic_mesh(8, 50e3)
    moving = {"siu": 0.1, "siv": np.zeros(mesh.n_faces)}
    members = np.array([-0.1, 0.0, 0.1])[:, None]
    return forecast_on(mesh, sic=0.6 + members, sit=np.linspace(1, 2, mesh.n_faces), **moving)


def model_truth(forecast: xr.Dataset, *names: str, times: slice = slice(None)) -> xr.Dataset:
    """Truth every 12 h: the middle member of the forecast, and 0.1 less concentration."""
    mesh = gg.io.mesh_from_dataset(forecast)
    middle = forecast[list(names)].isel(member=1, lead_time=times).drop_vars(["lead_time", "valid_time"])
    truth = middle.rename(lead_time="time").assign_coords(time=forecast["valid_time"].values[times])
    truth = mesh_to_dataset(mesh).assign(dict(truth.data_vars)).assign_coords(time=truth["time"])
    return truth.assign(sic=truth["sic"] - 0.1) if "sic" in names else truth


def concentration(folder: Path) -> Path:
    return write_osisaf(folder / "ice_conc.nc", lambda x, y: np.where(y > 200e3, 50.0, np.nan), DAY, 100e3)


def drift(folder: Path) -> Path:
    return write_drift(folder / "ice_drift.nc", lambda lon, lat: (lon + 0.2, lat), [hours(0), hours(48)], 125e3)


def test_complete_fields_and_observations_are_told_apart(forecast: xr.Dataset, tmp_path: Path, caplog):
    truths = open_truths([model_truth(forecast, "sic", "sit"), concentration(tmp_path), drift(tmp_path)], forecast)
    assert sorted({"sic", "sit"} & set(truths.model)) == ["sic", "sit"]
    assert [list(one.fields) for one in truths.observations] == [["sic"], ["siu", "siv"]]
    assert [one.is_displacement for one in truths.observations] == [False, True]
    assert "scored: sit, sic; left out: siu, siv (the truth lacks it)" in caplog.text


def test_truth_with_gaps_is_scored_where_it_has_values(forecast: xr.Dataset, tmp_path: Path, caplog):
    """On the mesh of the forecast: missing faces and times are left out, the rest gives the scores of both ways."""
    complete = model_truth(forecast, "sic")
    gaps = complete.isel(time=[0, 1, 3]).copy(deep=True)
    gaps["sic"][1:, :30] = np.nan
    gaps.to_netcdf(tmp_path / "gaps.nc")

    truths = open_truths([tmp_path / "gaps.nc"], forecast)
    assert truths.model is None
    assert "compared as observations, not as a complete truth" in caplog.text
    scores = score_observations(forecast, truths.observations)["observations"].query("model == 'forecast'")
    assert scores["lead_hours"].tolist() == [12.0, 36.0]
    assert scores["n"].tolist() == [34, 34]
    full = evaluate(forecast[["sic"]].merge(mesh_to_dataset(gg.io.mesh_from_dataset(forecast))), complete)
    for name in ("rmse", "bias", "crps", "spread"):
        np.testing.assert_allclose(scores[name], full[name].iloc[[0, 2]], rtol=1e-5)


def test_chosen_variables_of_observations(forecast: xr.Dataset, tmp_path: Path):
    table = chosen_variables(scored_table(forecast), ["sit"])
    with pytest.raises(InputError, match=r"no truth has one of the chosen variables \(sit\)"):
        open_truths([concentration(tmp_path)], forecast, table)


def test_two_complete_truths(forecast: xr.Dataset, tmp_path: Path):
    for name in ("a.nc", "b.nc"):
        model_truth(forecast, "sic").to_netcdf(tmp_path / name)
    with pytest.raises(InputError, match=r"a.nc and .*b.nc are both complete truths; give one"):
        open_truths([tmp_path / "a.nc", tmp_path / "b.nc"], forecast)


def test_truth_that_fits_in_no_way(forecast: xr.Dataset, tmp_path: Path):
    late = model_truth(forecast, "sic").assign_coords(
        time=START + np.arange(5) * np.timedelta64(12, "h") + np.timedelta64(900, "D")
    )
    late.to_netcdf(tmp_path / "late.nc")
    with pytest.raises(InputError, match=r"valid times are missing in the truth.*cannot be compared either.*late.nc"):
        open_truths([tmp_path / "late.nc"], forecast)


def test_command_with_observations_only(run, forecast: xr.Dataset, tmp_path: Path):
    store, out = tmp_path / "fc.zarr", tmp_path / "report"
    forecast.to_zarr(store)
    files = ["--truth", concentration(tmp_path), "--truth", drift(tmp_path)]
    code, _, error = run("evaluate", store, *files, "--out", out)
    assert code == 0, error
    assert "ice_conc.nc: sic:" in error
    names = {path.name for path in out.iterdir()}
    csv = {"observations.csv", "observed_edge.csv", "observed_drift.csv", "observed_sources.csv"}
    assert names == {"report.html", "tables.json", *csv}

    scores = pd.read_csv(out / "observations.csv")
    row = scores[(scores["model"] == "forecast") & (scores["variable"] == "sic")].iloc[0]
    np.testing.assert_allclose([row["bias"], row["spread"], row["observation_error"]], [0.1, 0.1, 0.03], atol=1e-5)
    page = (out / "report.html").read_text()
    assert "Observations" in page
    assert "ice_drift.nc" in page

    code, _, error = run("evaluate", store, *files, "--out", out, "--variables", "sic")  # replaces the report
    assert code == 0, error
    assert "ice_drift.nc: left out, it has none of the chosen variables (sic)" in error
    assert not (out / "observed_drift.csv").exists()


def test_command_with_both(run, forecast: xr.Dataset, tmp_path: Path):
    """A model's truth of some variables and observations: both are in the report, and a line says what is left out."""
    store, truth, out = tmp_path / "fc.zarr", tmp_path / "run.nc", tmp_path / "report"
    forecast.drop_vars(["siu", "siv"]).isel(lead_time=slice(0, 2)).to_zarr(store)
    model_truth(forecast, "sit").to_netcdf(truth)
    code, _, error = run("evaluate", store, "--truth", truth, "--truth", concentration(tmp_path), "--out", out)
    assert code == 0, error
    assert "left out: sic (the truth lacks it)" in error

    tables = json.loads((out / "tables.json").read_text())
    assert {row["variable"] for row in tables["scores"]} == {"sit"}
    assert {row["variable"] for row in tables["observations"]} == {"sic"}
    assert {row["model"] for row in tables["observations"]} == {"forecast", "persistence"}


def test_command_says_what_is_wrong(run, forecast: xr.Dataset, tmp_path: Path):
    store, out = tmp_path / "fc.zarr", tmp_path / "report"
    forecast.to_zarr(store)
    code, _, error = run("evaluate", store, "--truth", concentration(tmp_path), "--variables", "sik", "--out", out)
    assert code == 2
    assert "--variables: unknown variable 'sik'" in error
    late = write_osisaf(tmp_path / "late.nc", lambda x, y: 0 * x, [hours(480), hours(504)], 100e3)
    code, _, error = run("evaluate", store, "--truth", late, "--out", out)
    assert code == 2
    assert "no record lies in the time of the forecast" in error
    assert not out.exists()
