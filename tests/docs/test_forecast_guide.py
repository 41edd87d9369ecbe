"""What the guide to forecasts shows runs, with a smaller network."""

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.forecasts import small_model
from support.pages import blocks

from gensim_graph.cli import main
from gensim_graph.data import cyclone_trajectories
from gensim_graph.io import open_store

PAGE = "docs/howto/forecast.md"
TRUTH = cyclone_trajectories("test")[0]


@pytest.fixture
def place(monkeypatch, tmp_path) -> Path:
    """A folder with the built-in data and two models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(TRUTH.parents[1])
    small_model(size=0.01).save(tmp_path / "run")
    small_model(seed=1, size=0.01).save(tmp_path / "run_b")
    return tmp_path


def test_commands_of_the_guide(place, monkeypatch):
    """All but the one of torchrun, which is tested elsewhere."""
    for block in blocks(PAGE, "sh"):
        line = block.replace("\\\n", " ").strip()
        if not line.startswith("gensim-graph"):
            continue
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as exit_:
            main()
        assert not exit_.value.code, line
    short, long = (xr.open_zarr(place / name) for name in ("forecast.zarr", "long.zarr"))
    assert short["sit"].shape == (16, 6, 2640)
    assert xr.open_zarr(place / "both.zarr")["model"].values.tolist() == ["run"] * 3 + ["run_b"] * 3
    assert "sid" not in long
    assert {"sit_transport", "sit_source"} <= set(xr.open_zarr(place / "budget.zarr"))
    assert (np.diff(long["lead_time"].values) == np.timedelta64(12, "h")).all()
    assert np.isfinite(long["sic"].values).all()
    assert long["valid_time"].values[-1] > open_store(TRUTH)["time"].values[-1]  # the winds were repeated


def test_python_of_the_guide(place):
    read, terms, weathers, inside, streamed = blocks(PAGE, "python")
    names: dict = {}
    exec(inside, names)
    names["forecast"].to_zarr(place / "forecast.zarr", consolidated=False)
    exec(read, names)
    assert names["spread"].shape == (5,)
    given = names["truth"].isel(time=8), names["truth"]
    budget = names["model"].forecast(*given, steps=2, members=2, budget=True, progress=False)
    budget.to_zarr(place / "budget.zarr", consolidated=False)
    exec(terms, names)
    assert names["added"].shape == (2, 3)
    exec(streamed, names)

    exec(weathers, names)
    speed = np.hypot(names["forecast"]["siu"], names["forecast"]["siv"])[:, 1].mean("face").values
    assert (np.diff(speed) > 0).all()  # a stronger wind moves the ice faster
    assert xr.open_zarr(place / "decade.zarr")["sic"].sizes["lead_time"] == 5
