"""The guide to evaluation runs: its Python on the built-in cyclone and a forecast of persistence, its commands too."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.places import ROOT

import gensim_graph as gg
from gensim_graph.cli import main
from gensim_graph.data import cyclone_meshes
from gensim_graph.evaluate import persistence

PAGE = ROOT / "docs/howto/evaluate.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two members about persistence, as a forecast would be."""
    place = tmp_path_factory.mktemp("guide")
    (place / "meshes").symlink_to(cyclone_meshes()["box_16km_a"].parents[1])
    truth = gg.open_store(str(place / "meshes/cyclone_512km/cyclone_16km_04.nc"))
    still = persistence(truth.isel(time=8), np.array([12, 24]) * np.timedelta64(3600 * 10**9, "ns"))
    fields = [name for name in still.data_vars if "lead_time" in still[name].dims]
    members = xr.concat([still[fields], 0.98 * still[fields]], "member").transpose("member", "lead_time", "face")
    still.drop_vars(fields).drop_dims("member", errors="ignore").assign(members).to_zarr(place / "forecast.zarr")
    return place


def test_python_of_the_guide(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    names: dict = {}
    for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(text, names)
    assert names["skill"].loc["sit", 12.0] < 1.1
    assert set(names["tables"]) >= {"scores", "ice", "drift", "scaling", "budget"}
    water = names["water"].query("model == 'truth' and lead_hours == 24")["open_water"].iloc[0]
    sic = names["truth"].sic.sel(time="2000-01-03T00").values.ravel()
    mesh = names["models"]["forecast"].mesh
    assert water == pytest.approx(1e-6 * ((1 - sic) * mesh.areas).sum(), rel=1e-5)
    parts = names["budget"]
    np.testing.assert_allclose(parts["change"], parts["advection"] + parts["convergence"] + parts["rest"], atol=1e-6)


@pytest.mark.slow
def test_command_of_the_guide(folder: Path, monkeypatch: pytest.MonkeyPatch):
    command = re.search(r"gensim-graph (evaluate .*)\n", PAGE.read_text())
    assert command
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["gensim-graph", *command.group(1).split()])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert {"report.html", "tables.json", "scores.csv", "budget.csv"} <= {
        path.name for path in Path("report").iterdir()
    }
