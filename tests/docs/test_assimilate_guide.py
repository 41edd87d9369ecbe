"""The guide to assimilation: its Python and its commands, with a smaller network."""

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
from gensim_graph.flow import SamplerConfig

PAGE = "docs/howto/assimilate.md"


def command(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(text.replace("\\\n", " ").strip()))
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code, text


def test_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """All of it in its order, with two members; the report is that of the test of the command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(cyclone_trajectories("test")[0].parents[1])
    model = small_model(size=0.01)
    model.sampler = SamplerConfig(steps=2)
    model.save(tmp_path / "run")
    make, read, inside = (text.replace("members=8", "members=2") for text in blocks(PAGE, "python"))
    guided, filtered, report = (text.replace("--members 8", "--members 2") for text in blocks(PAGE, "sh"))
    names: dict = {}

    exec(make, names)
    command(monkeypatch, guided)
    command(monkeypatch, filtered)
    exec(read, names)
    innovations = names["innovations"]
    assert dict(innovations["variable"].to_series().value_counts()) == {"sic": 264, "siu": 12, "siv": 12}
    assert set(names["before"]["variable"].values) == {"sic", "siu", "siv"}
    for store in ("analysis.zarr", "filtered.zarr"):
        analysis = xr.open_zarr(store)
        assert analysis["sic"].shape == (2, 5, 2640)
        assert np.isfinite(analysis["sic"].values).all()
    assert report.startswith("gensim-graph evaluate analysis.zarr")

    exec(inside, names)
    assert names["forecast"].sizes["member"] == 2
    assert len(names["one"].operator) > 0
