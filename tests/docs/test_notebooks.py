"""The notebooks run from top to bottom, show pictures, and are stored without their results."""

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from support.places import ROOT

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def executed(name: str, folder: Path, question: str) -> tuple[list[np.ndarray], str]:
    """Run a notebook and a cell more; return its pictures and what the last cell prints."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(question))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")) for picture in shown]
    return pictures, outputs[-1].text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_stored_without_results(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count is not None]


def test_the_first_forecast(tmp_path):
    """Every variable is forecast better than persistence, as the notebook says."""
    pictures, said = executed("first_forecast.ipynb", tmp_path, "print(sorted(ratio.index), float(ratio.max()))")
    assert len(pictures) == 2
    assert min(picture.std() for picture in pictures) > 5
    names, _, largest = said.rpartition(" ")
    assert names == str(["sic", "sid", "sit", "siu", "siv", "snt"])
    assert 0 < float(largest) < 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_your_own_mesh(tmp_path):
    """The island is a hole of its area, and the values are within their bounds."""
    question = "print(mesh.areas.sum(), low, high, float(forecast['sit'].min()))"
    pictures, said = executed("your_own_mesh.ipynb", tmp_path, question)
    assert len(pictures) == 3
    assert min(picture.std() for picture in pictures) > 5
    area, low, high, thinnest = map(float, said.split())
    assert area == pytest.approx(19 * 15 * 20e3**2 - np.pi * 50e3**2, rel=0.02)
    assert 0 <= low <= high <= 1
    assert thinnest >= 0
    assert not list(tmp_path.iterdir())
