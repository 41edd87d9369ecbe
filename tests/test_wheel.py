"""The wheel: installed where neither the checkout nor its configuration is at hand, it forecasts."""

import os
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest
import xarray as xr
from support.places import ROOT

STATE = ROOT / "meshes" / "cyclone_512km" / "cyclone_16km_04.nc"


def run(*command: object, folder: Path) -> str:
    """Run a command in a folder, without the variables that would lead it back to the checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COLUMNS")}
    environment |= {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(find_spec("hatchling") is None, reason="building a wheel needs hatchling")
def test_an_installed_wheel_forecasts(tmp_path):
    """A fresh environment sees the libraries of this one, but of gensim-graph the wheel alone."""
    options = ("--no-deps", "--no-build-isolation", "--no-cache-dir", "--quiet", "--wheel-dir", tmp_path)
    run(sys.executable, "-m", "pip", "wheel", *options, ROOT, folder=tmp_path)
    wheel = next(tmp_path.glob("gensim_graph-*.whl"))

    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip())
    # A path file makes the libraries visible; path files in that folder, such as that of the checkout, are not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    install = ("install", "--no-deps", "--no-index", "--quiet", "--target", site, wheel)
    run(sys.executable, "-m", "pip", *install, folder=tmp_path)

    home = run(python, "-c", "import gensim_graph; print(gensim_graph.__file__)", folder=tmp_path)
    assert Path(home.strip()).is_relative_to(site)
    assert (site / "gensim_graph" / "py.typed").exists()
    words = ("--model", "small", "--initial", f"{STATE}@2000-01-02", "--members", 2, "--steps", 1, "--out", "fc.zarr")
    run(python, "-m", "gensim_graph", "forecast", *words, folder=tmp_path)
    forecast = xr.open_zarr(tmp_path / "fc.zarr")
    assert forecast["sic"].sizes == {"member": 2, "lead_time": 2, "face": 2640}
    assert float(forecast["sic"].max()) <= 1.0
