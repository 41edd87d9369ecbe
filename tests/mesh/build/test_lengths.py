"""Nodes in km or degrees where metres belong are told, with what to do; metres are not."""

import logging

import numpy as np
import pytest

from gensim_graph.io import load_mesh, mesh_to_dataset
from gensim_graph.mesh import Mesh

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def warnings_of(caplog, build) -> str:
    with caplog.at_level(logging.WARNING):
        build()
    return caplog.text


@pytest.mark.parametrize("spacing", [1.0, 4.0, 25.0, 50.0])  # km
def test_kilometres(spacing, caplog):
    """A grid of 2500 km, given in km, in all three ways to build a mesh."""
    axis = np.arange(0, 2500, spacing * 10)
    x, y = np.meshgrid(axis, axis)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    for build in (
        lambda: Mesh.from_faces(SQUARE * spacing, FACES),
        lambda: Mesh.from_grid(np.arange(0, 2500, spacing), np.arange(0, 100, spacing)),
        lambda: Mesh.from_points(points[:40] / 10),
    ):
        caplog.clear()
        assert "coordinates must be metres, not km or degrees: multiply km by 1000" in warnings_of(caplog, build)


@pytest.mark.parametrize("low", [(-180.0, 60.0), (0.0, -80.0), (300.0, 70.0)])
def test_degrees(low, caplog):
    nodes = SQUARE * [40.0, 15.0] + low
    text = warnings_of(caplog, lambda: Mesh.from_faces(nodes, FACES))
    assert "if they are longitude and latitude, say so with crs='EPSG:4326'" in text
    caplog.clear()
    mesh = Mesh.from_faces(nodes, FACES, "EPSG:4326")
    assert "metres" not in caplog.text
    assert mesh.spacing.min() > 1e5


def test_degrees_with_a_plane(caplog):
    """The plane is known, so that no other crs is advised."""
    text = warnings_of(caplog, lambda: Mesh.from_faces(SQUARE * 10 + [0, 70], FACES, "EPSG:3413"))
    assert "must be metres" in text
    assert "EPSG:4326" not in text


@pytest.mark.parametrize("spacing", [150.0, 2e3, 1e5])
def test_metres(spacing, caplog):
    axis = np.arange(10) * spacing
    text = warnings_of(caplog, lambda: Mesh.from_grid(axis, axis))
    assert "metres" not in text


def test_a_file_is_told_once(tmp_path, caplog):
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", "$Nodes", "4"]
    lines += [f"{number + 1} {10 * x} {10 * y} 0" for number, (x, y) in enumerate(SQUARE)]
    lines += ["$EndNodes", "$Elements", "2", "1 2 2 1 1 1 2 3", "2 2 2 1 1 1 3 4", "$EndElements", ""]
    (tmp_path / "km.msh").write_text("\n".join(lines))
    text = warnings_of(caplog, lambda: load_mesh(tmp_path / "km.msh"))
    assert text.count("must be metres") == 1
    assert "km.msh: the mesh is only 10 m wide" in text


def test_a_small_mesh_whose_file_says_metres(tmp_path, caplog):
    """A harbour of 400 m, as UGRID files name their unit."""
    axis = np.arange(5) * 100.0
    mesh_to_dataset(Mesh.from_grid(axis, axis)).to_netcdf(tmp_path / "harbour.nc")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load_mesh(tmp_path / "harbour.nc")
    assert "m wide" not in caplog.text
