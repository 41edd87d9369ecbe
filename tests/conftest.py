"""Fixtures that every test may use, and the shape checks that run only here."""

import os

from jaxtyping import install_import_hook

if "UNCHECKED" not in os.environ:  # a compiler would trace the checks
    install_import_hook("gensim_graph", "beartype.beartype")  # before anything imports the package

# Forecasts carry the time at which they began; with this time, two of them can be compared byte for byte.
os.environ.setdefault("SOURCE_DATE_EPOCH", "978307200")

import sys
from pathlib import Path

import numpy as np
import pytest
from support.meshes import BOX, jittered_box
from support.places import ROOT

from gensim_graph.cli import main
from gensim_graph.mesh import Mesh


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of genuine data beside the checkout."""
    folder = (ROOT / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no genuine data at {folder}")
    return folder


@pytest.fixture(scope="session")
def cyclone_meshes() -> Path:
    """Folder of the built-in meshes of the 512 km box."""
    folder = ROOT / "meshes" / "cyclone_512km"
    if not list(folder.glob("*.msh")):
        pytest.skip(f"no meshes at {folder}")
    return folder


@pytest.fixture(scope="session")
def small_mesh() -> Mesh:
    """About 200 irregular triangles in a box of 100 km."""
    return jittered_box()


@pytest.fixture(scope="session")
def square_grid() -> Mesh:
    """8 x 8 squares in the same box."""
    axis = (np.arange(8) + 0.5) * BOX / 8
    return Mesh.from_grid(axis, axis)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gensim-graph", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


SLOWEST = (
    *("test_compile.py", "test_forecast_restart.py", "test_triton.py", "test_wheel.py", "test_report.py"),
    *("test_corruption.py", "test_cli.py", "test_training_guides.py", "test_train.py"),
)
"""Files that take longest, in this order: begun first, so that no worker is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first."""
    rank = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(SLOWEST)))
