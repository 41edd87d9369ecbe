"""``gensim-graph mesh``: files in, files out, pictures, messages."""

import errno
import os
import re
import shlex
import sys
from pathlib import Path

import meshio
import numpy as np
import pytest
import xarray as xr
from PIL import Image
from support.places import ROOT

from gensim_graph.cli import main
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.evaluate.pictures import mesh_map
from gensim_graph.evaluate.pictures.single_map import COAST, LAND
from gensim_graph.io import load_mesh, write_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import true_areas


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run ``gensim-graph mesh`` in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gensim-graph", "mesh", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


def test_a_mesh_as_vtu(run):
    code, _, _ = run("convert", cyclone_meshes()["box_16km_a"], "a.vtu")
    assert code == 0
    raw = meshio.read(cyclone_meshes()["box_16km_a"], file_format="gmsh")
    triangles = sum(len(block.data) for block in raw.cells if block.type == "triangle")
    assert len(meshio.read("a.vtu").cells_dict["triangle"]) == triangles


def test_a_trajectory_on_a_grid_and_for_paraview(run):
    source = cyclone_trajectories("test")[0]
    assert run("convert", source, "grid.nc", "--grid", "32km", "--time", "2000-01-02/2000-01-02T06")[0] == 0
    with xr.open_dataset("grid.nc") as ds, xr.open_dataset(source) as raw:
        assert ds.sizes["time"] == 3
        volume = (ds["sit"].fillna(0) * ds["sea_area"]).sum(("y", "x"))
        expected = raw["sit"].sel(time=ds["time"]).values @ true_areas(load_mesh(source))
        np.testing.assert_allclose(volume, expected, rtol=1e-6)
    assert run("convert", source, "ice.pvd", "--time", "2000-01-02/2000-01-02T06")[0] == 0
    assert len(list(Path("ice").glob("*.vtu"))) == 3


def test_a_restart(run):
    source = cyclone_trajectories("test")[0]
    code, _, error = run("convert", source, "restart", "--restart", "start", "--time", "2000-01-02")
    assert code == 0, error
    assert {path.name for path in Path("restart").iterdir()} == {
        f"{kind}_start.{suffix}" for kind in ("mesh", "field") for suffix in ("bin", "dat")
    }


def test_coarser(run):
    code, said, _ = run("coarsen", cyclone_meshes()["box_16km_a"], "coarse.nc")
    fine, coarse = load_mesh(cyclone_meshes()["box_16km_a"]), load_mesh("coarse.nc")
    assert code == 0
    assert f"{fine.n_faces:,} faces" in said
    assert coarse.n_faces < 0.3 * fine.n_faces
    assert coarse.areas.sum() == pytest.approx(fine.areas.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "nowhere.nc", "a.nc"), "no such file"),
        (("convert", "MESH", "a.nc", "--grid", "1deg"), "no fields to bring to a grid"),
        (("convert", "MESH", "a.doc"), "ends in"),
        (("plot", "RUN", "--variable", "sea"), "has no 'sea'"),
        (("plot", "MESH", "--out", "a.docx"), ".png, .pdf or .svg"),
        (("coarsen", "MESH", "a.msh"), "triangles and quadrilaterals"),
    ],
)
def test_refused(arguments, message, run):
    known = {"MESH": cyclone_meshes()["box_16km_a"], "RUN": cyclone_trajectories("test")[0]}
    code, _, error = run(*(known.get(word, word) for word in arguments))
    assert code == 2
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert not list(Path().iterdir())


def test_the_guide_runs(run):
    """``docs/howto/own_mesh.md`` as it stands."""
    page = (ROOT / "docs" / "howto" / "own_mesh.md").read_text()
    Path("meshes").symlink_to(cyclone_meshes()["box_16km_a"].parents[1])
    for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL):
        for line in block.splitlines():
            code, _, error = run(*shlex.split(line)[2:])
            assert code == 0, (line, error)
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)[1], names)
    assert names["graph"].n_cells == names["mesh"].n_faces
    grid = xr.open_dataset("coarse_ice.nc")
    coarse = load_mesh("coarse.nc")
    total = float(grid["sit"].isel(time=-1).values @ coarse.areas)
    assert total == pytest.approx(names["volume"], rel=1e-4)  # two meshes of the box, apart by the rounding of both


# Pictures


def colours(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)


def share(pixels: np.ndarray, colour: str) -> float:
    wanted = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
    return float((np.abs(pixels - wanted).max(axis=1) < 12).mean())


def test_pictures_of_a_mesh_and_a_field(run):
    assert run("plot", cyclone_meshes()["box_16km_a"])[0] == 0
    assert share(colours(Path("box_16km_a.msh.png")), COAST) > 0.001
    assert run("plot", cyclone_trajectories("test")[0], "--variable", "sit", "--out", "sit.svg")[0] == 0
    assert Path("sit.svg").read_text().startswith("<?xml")


def test_islands_are_drawn_as_land(tmp_path):
    """A square of land in the middle of a square sea takes its share of the picture."""
    axis = (np.arange(20) + 0.5) * 1e3
    mask = np.ones((20, 20), dtype=bool)
    mask[6:14, 6:14] = False
    figure = mesh_map(Mesh.from_grid(axis, axis, mask=mask))
    box = figure.axes[0].get_window_extent()
    figure.savefig(tmp_path / "map.png", dpi=figure.dpi)
    whole = np.prod(Image.open(tmp_path / "map.png").size)
    expected = box.width * box.height / whole * (8 / 20.4) ** 2
    assert share(colours(tmp_path / "map.png"), LAND) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("command", ["convert", "coarsen"])
def test_a_file_is_not_written_onto_itself(run, tmp_path, square_grid, command):
    """The source stays, byte for byte."""
    path = write_mesh(square_grid, tmp_path / "mesh.nc")
    before = path.read_bytes()
    code, _, error = run(command, path, tmp_path / "." / "mesh.nc")
    assert code == 2
    assert "is the source itself" in error
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_one_message(run, tmp_path, square_grid, monkeypatch, number):
    path = write_mesh(square_grid, tmp_path / "mesh.nc")

    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number), str(tmp_path / "other.nc"))

    monkeypatch.setattr("gensim_graph.cli.meshes.write_mesh", refuse)
    code, _, error = run("convert", path, tmp_path / "other.nc", "--only-mesh")
    assert code == 2
    assert "other.nc: cannot be written" in error
    assert "Traceback" not in error
