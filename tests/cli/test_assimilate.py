"""``gensim-graph assimilate``: methods, restarts, what is said, and wrong input in clear words."""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.forecasts import in_a_process, killed_at, same_files, small_model

import gensim_graph as gg
from gensim_graph.assimilate import Assimilation
from gensim_graph.cli import main
from gensim_graph.cli.main import load_command
from gensim_graph.evaluate import score_innovations
from gensim_graph.evaluate.report.report import FILES
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import forecast_run

AXIS = 80e3 * np.arange(6)
MESH = gg.Mesh.from_grid(AXIS, AXIS)
NAMES = ("sic", "siu", "siv")


def rows_of(data: xr.Dataset, error: float = 0.02) -> pd.DataFrame:
    """Concentration and drift in every third cell after one and two steps, with noise; one outside, one too late."""
    generator = np.random.default_rng(0)
    parts = [
        pd.DataFrame({
            "variable": name, "x": MESH.centres[::3, 0], "y": MESH.centres[::3, 1], "error": error,
            "value": data[name].isel(time=time).values.ravel()[::3] + error * generator.normal(size=12),
            "time": data["time"].values[time],
        })
        for time in (1, 2) for name in NAMES
    ]  # fmt: skip
    strays = pd.DataFrame({
        "variable": "sic", "x": [9e6, 0.0], "y": 0.0, "value": 0.9, "error": error,
        "time": [data["time"].values[1], np.datetime64("2001-01-01", "ns")],
    })  # fmt: skip
    return pd.concat([*parts, strays], ignore_index=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Half a simulated day on 36 squares, observations of it, and models that were never trained, with steps of 6 h."""
    place = tmp_path_factory.mktemp("assimilate")
    data = gg.simulate_cyclone(MESH, members=1, days=0.5, every="6h", progress=False).isel(trajectory=0)
    data.to_netcdf(place / "run.nc")
    rows = rows_of(gg.open_store(place / "run.nc"))
    gg.Observations.from_table(rows).to_dataset().to_netcdf(place / "obs.nc")
    rows.to_csv(place / "obs.csv", index=False)
    model = small_model(size=0.02)
    model.sampler = SamplerConfig(steps=2)
    model.save(place / "model")
    model.deterministic = True
    model.save(place / "twin")
    return place


def arguments(folder: Path, out: Path, *more: object, observations: object = None) -> list[object]:
    state = f"{folder}/run.nc@2000-01-01"
    seen = observations or folder / "obs.nc"
    given = ["assimilate", "--model", folder / "model", "--initial", state, "--observations", seen]
    return [*given, "--steps", 2, "--members", 4, "--batch", 2, "--out", out, *more]


@pytest.fixture(scope="module")
def free(folder) -> xr.Dataset:
    """The same members without observations."""
    data = gg.open_store(folder / "run.nc")
    return gg.Surrogate.load(folder / "model").forecast(data.isel(time=0), data, steps=2, members=4, progress=False)


@pytest.mark.parametrize("method", ["guided", "letkf", "both"])
def test_an_analysis_is_nearer_to_the_observations(run, folder, free, tmp_path, method):
    """Nearer than the free ensemble. It says what was used and why not the rest, and ends with a table."""
    code, out, error = run(*arguments(folder, tmp_path / "a.zarr", "--method", method))
    assert code == 0, error
    assert "72 of 74 observations used (sic 24, siu 24, siv 24)" in error
    assert "1 outside the mesh" in error
    assert "1 outside the times" in error
    assert "rcrv std" in out
    assert "evaluate" in out

    found = gg.open_innovations(tmp_path / "a.zarr")
    assert dict(found.sizes) == {"member": 4, "obs": 72}
    assert (
        np.unique(found["valid_time"]).tolist()
        == np.unique(found["lead_time"] + np.datetime64("2000-01-01", "ns")).tolist()
    )
    scores = score_innovations(found)["innovations"].set_index(["variable", "model"])

    analysis = xr.open_zarr(tmp_path / "a.zarr")
    for name in NAMES:
        rows = found.isel(obs=found["variable"].values == name)
        cells = [int(np.abs(MESH.centres - place).sum(1).argmin()) for place in zip(rows.x, rows.y, strict=True)]
        leads = (rows["lead_time"].values / np.timedelta64(6, "h")).astype(int)
        np.testing.assert_allclose(rows["analysis"], analysis[name].values[:, leads, cells], atol=1e-5)
        before = rows["value"].values - free[name].values[:, leads, cells].mean(axis=0)
        assert scores.loc[(name, "analysis"), "rmse"] < np.sqrt((before**2).mean())


def test_a_forecast_with_observations_is_a_guided_analysis(run, folder, tmp_path):
    code, _, error = run(*arguments(folder, tmp_path / "a.zarr"))
    assert code == 0, error
    more = arguments(folder, tmp_path / "b.zarr", observations=folder / "obs.csv")
    code, _, error = run("forecast", *more[1:])
    assert code == 0, error
    one, other = (xr.open_zarr(tmp_path / name)["siu"].values for name in ("a.zarr", "b.zarr"))
    np.testing.assert_array_equal(one, other)


def test_the_report_shows_the_analysis(run, folder, tmp_path):
    run(*arguments(folder, tmp_path / "a.zarr"))
    code, _, error = run("evaluate", tmp_path / "a.zarr", "--truth", folder / "run.nc", "--variables", "sic",
                         "--out", tmp_path / "report")  # fmt: skip
    assert code == 0, error
    page = (tmp_path / "report/report.html").read_text()
    for text in ("Observations and analysis", "72 observations were used in 2 steps", "Ranks of the observations"):
        assert text in page
    scores = pd.read_csv(tmp_path / "report/innovations.csv")
    assert set(scores["model"]) == {"forecast", "analysis"}
    assert {path.name for path in (tmp_path / "report").iterdir()} <= FILES


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("method", ["guided", pytest.param("letkf", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on(folder, tmp_path, monkeypatch, method):
    """The same command again gives the same bytes, wherever it was killed."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)

    def call(out: Path) -> None:
        sys.argv = ["gensim-graph", *map(str, arguments(folder, out, "--method", method, "-q"))]
        try:
            main()
        except SystemExit as exit_:
            if exit_.code:
                raise RuntimeError(exit_.code) from None

    def begin(kill: int) -> None:
        killed_at(kill)
        call(tmp_path / "killed.zarr")

    assert in_a_process(lambda: call(tmp_path / "whole.zarr")) == 0
    for kill in (2, 4, 7):
        assert in_a_process(lambda number=kill: begin(number)) == -signal.SIGKILL
    assert in_a_process(lambda: call(tmp_path / "killed.zarr")) == 0
    assert same_files(tmp_path / "whole.zarr", tmp_path / "killed.zarr")


def with_steps(given: list[object], steps: int) -> list[object]:
    return [steps if before == "--steps" else one for before, one in zip([None, *given], given, strict=False)]


def test_it_goes_on_when_later_observations_come(run, folder, tmp_path):
    """Two files in turn give the analysis of both at once, in whatever order they are given."""
    rows = rows_of(gg.open_store(folder / "run.nc"))
    first, second = (rows[rows["time"] == time] for time in np.unique(rows["time"])[:2])
    for name, part in (("b_first.csv", first), ("c_second.csv", second), ("changed.csv", first.assign(value=0.5))):
        part.to_csv(tmp_path / name, index=False)

    def call(out: str, steps: int, *files: str) -> tuple[int, str]:
        more = [one for file in files[1:] for one in ("--observations", tmp_path / file)]
        given = arguments(folder, tmp_path / out, *more, observations=tmp_path / files[0])
        code, _, error = run(*with_steps(given, steps))
        return code, error

    assert call("a.zarr", 1, "b_first.csv")[0] == 0
    code, error = call("a.zarr", 2, "changed.csv", "c_second.csv")
    assert code == 2
    assert "holds a forecast with other observations of the times that it has passed" in error
    assert call("a.zarr", 2, "c_second.csv", "b_first.csv")[0] == 0
    assert call("b.zarr", 2, "b_first.csv", "c_second.csv")[0] == 0

    one, other = (xr.open_zarr(tmp_path / name) for name in ("a.zarr", "b.zarr"))
    for name in NAMES:
        np.testing.assert_array_equal(one[name].values, other[name].values)
    assert gg.open_innovations(tmp_path / "a.zarr").sizes == gg.open_innovations(tmp_path / "b.zarr").sizes


def test_a_store_of_an_earlier_version_goes_on(run, folder, tmp_path, monkeypatch):
    """It is identified by all observations in their order."""
    given = arguments(folder, tmp_path / "a.zarr")
    with monkeypatch.context() as earlier:
        earlier.setattr(Assimilation, "identity_until", lambda self, time: self.identity)
        assert run(*with_steps(given, 1))[0] == 0
    code, _, error = run(*given)
    assert code == 0, error


# Wrong input


def changed(folder: Path, tmp_path: Path, **columns: object) -> Path:
    rows = rows_of(gg.open_store(folder / "run.nc")).assign(**columns)
    rows.to_csv(tmp_path / "other.csv", index=False)
    return tmp_path / "other.csv"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": 9e6}, "nothing to assimilate: 0 of 74 observations used; not used: "),
        ({"time": "2005-01-01"}, "74 outside the times. The forecast runs from 2000-01-01T00:00 to 2000-01-01T12:00"),
        ({"variable": "sss"}, "unknown variable 'sss'"),
        ({"error": np.nan}, "error is nan"),
        ({"error": 0.0}, "error is 0; expected a standard deviation above 0"),
        ({"error": -1.0}, "error is -1"),
        ({"value": np.nan}, "all 74 values are missing"),
        ({"units": "kg"}, "are in 'kg'"),
    ],
)
def test_wrong_observations(run, folder, tmp_path, columns, message):
    wrong = changed(folder, tmp_path, **columns)
    code, _, error = run(*arguments(folder, tmp_path / "a.zarr", "--no-average", observations=wrong))
    assert code == 2
    assert message in error
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "4dvar"], "--method 4dvar: expected guided, letkf or both"),
        (["--days", 1], "--steps and --days: give one of them"),
        (["--radius", 20], "--radius: method guided does not use it; it is for letkf and both"),
        (["--share", 0.5], "--share: method guided does not use it"),
        (["--method", "both", "--share", 2], "share"),
        (["--method", "letkf", "--radius", "a=b"], "--radius a=b: expected one number"),
        (["--groups", "sic"], "--groups: method guided does not use it"),
        (["--method", "letkf", "--groups", "sic,ice"], "--groups: no variable ice; expected names out of sit, sic"),
        (["--method", "letkf", "--inflation", 0.5], "inflation: expected a factor of 1 or more"),
        (["--method", "letkf", "--members", 1], "the filter needs two members or more"),
        (["--thin", -1], "--thin: "),
        (["--error", "sic=x"], "--error sic=x: expected one number"),
    ],
)
def test_wrong_options(run, folder, tmp_path, options, message):
    code, _, error = run(*arguments(folder, tmp_path / "a.zarr", *options))
    assert code == 2
    assert message in error
    assert not (tmp_path / "a.zarr").exists()


def test_groups_of_the_filter(run, folder, free, tmp_path):
    """Thickness is corrected with the concentration by default, and stays that of the free steps if it is alone."""
    for name, groups in (("default", []), ("apart", ["--groups", "sic", "--groups", "siu,siv"])):
        given = with_steps(arguments(folder, tmp_path / f"{name}.zarr", "--method", "letkf", *groups), 1)
        code, _, error = run(*given)
        assert code == 0, error
    default, apart = (xr.open_zarr(tmp_path / f"{name}.zarr")["sit"].values[:, 1] for name in ("default", "apart"))
    np.testing.assert_allclose(apart, free["sit"].values[:, 1], rtol=1e-6)
    assert np.abs(default - apart).max() > 1e-3


def test_winds_of_an_ensemble_spread_a_twin(run, folder, tmp_path):
    """A twin has no noise: its members differ by their winds alone, and the filter needs two."""
    data = xr.open_dataset(folder / "run.nc")
    winds = [data[["uas", "vas"]] * factor for factor in (0.8, 1.0, 1.2)]
    together = xr.concat(winds, "number")
    for name in ("uas", "vas"):
        together[name].attrs = data[name].attrs
    data.drop_vars(["uas", "vas"]).assign(together).to_netcdf(tmp_path / "winds.nc")
    given = [folder / "twin" if one == folder / "model" else one for one in arguments(folder, tmp_path / "a.zarr")]
    code, _, error = run(*given, "--method", "letkf")
    assert code == 2
    assert "two members or more" in error
    code, _, error = run(*given, "--method", "letkf", "--forcing", tmp_path / "winds.nc")
    assert code == 0, error
    assert xr.open_zarr(tmp_path / "a.zarr").sizes["member"] == 3
    assert "(3 members)" in xr.open_zarr(tmp_path / "a.zarr").attrs["forcing"]


def test_errors_of_rows_without_one(run, folder, tmp_path):
    wrong = changed(folder, tmp_path, error=np.nan)
    more = ("--error", "sic=0.05,siu=0.02", "--error", "siv=0.03", "--thin", 100, "--days", 0.25)
    given = [
        one for one in arguments(folder, tmp_path / "a.zarr", *more, observations=wrong) if one not in ("--steps", 2)
    ]
    given = given[: given.index("--batch")] + given[given.index("--batch") + 1 :]
    code, _, error = run(*given)
    assert code == 0, error
    found = gg.open_innovations(tmp_path / "a.zarr")
    expected = {"sic": 0.05, "siu": 0.02, "siv": 0.03}
    assert found["error"].values.tolist() == [expected[name] for name in found["variable"].values]
    assert "thinned, or averaged in cells" in error


def test_a_twin_is_not_guided(run, folder, tmp_path):
    given = [folder / "twin" if one == folder / "model" else one for one in arguments(folder, tmp_path / "a.zarr")]
    for command in ("assimilate", "forecast"):
        code, _, error = run(command, *given[1:])
        assert code == 2
        assert "twin: a deterministic twin has no flow" in error
    assert not (tmp_path / "a.zarr").exists()


def test_a_student_is_filtered_and_not_guided(run, folder, tmp_path):
    student = dataclasses.replace(
        gg.Surrogate.load(folder / "model"), sampler=gg.SamplerConfig(steps=1, method="euler")
    )
    student.save(tmp_path / "student")
    given = [tmp_path / "student" if one == folder / "model" else one for one in arguments(folder, tmp_path / "a.zarr")]
    for command in ("assimilate", "forecast"):
        code, _, error = run(command, *given[1:])
        assert code == 2
        assert "one evaluation" in error
    code, _, error = run(*given, "--method", "letkf")
    assert code == 0, error


def test_help(run):
    code, out, _ = run("assimilate", "--help")
    assert code == 0
    assert "gensim-graph assimilate --model small" in " ".join(out.split())
    assert {"--observations", "--method", "--radius", "--thin", "--no-average"} <= set(out.replace(",", " ").split())
    assert {option.name for option in load_command("forecast").params} >= {"observations", "error"}


def test_a_store_without_innovations(tmp_path, folder):
    with pytest.raises(gg.InputError, match="holds no innovations"):
        gg.open_innovations(tmp_path)
