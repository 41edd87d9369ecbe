"""FESOM: mesh folders and UGRID files of the same mesh, checked with numpy and the areas that FESOM computed."""

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Proj
from support.smesh import SMESH

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh.operators import true_areas

FESOM_BALL = CRS("+proj=stere +lat_0=90 +lon_0=0 +R=6367500")
"""The radius that FESOM computes with."""


def tables(folder):
    return np.loadtxt(folder / "nod2d.out", skiprows=1), np.loadtxt(folder / "elem2d.out", skiprows=1, dtype=int) - 1


def boundary_edges(elements: np.ndarray) -> np.ndarray:
    """Edges that belong to one triangle only, by brute force."""
    edges = np.sort(np.concatenate([elements[:, [0, 1]], elements[:, [1, 2]], elements[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    return unique[counts == 1]


@pytest.mark.parametrize("name", ["fesom_pi", "fesom_pi_cavity"])
def test_counts_of_a_mesh_folder(shared_data, name):
    nodes, elements = tables(shared_data / "meshes" / name)
    mesh = load_mesh(shared_data / "meshes" / name)
    assert (mesh.n_nodes, mesh.n_faces) == (len(nodes), len(elements))
    rim = boundary_edges(elements)
    flagged = (nodes[rim, 3] == 1).all(axis=1)
    named = {key: len(pairs) for key, pairs in mesh.boundaries.items()}
    assert named.get("coast", 0) == flagged.sum()
    assert named.get("open", 0) == (~flagged).sum()
    assert len(mesh.boundary_edges) == len(rim)
    assert load_mesh(shared_data / "meshes" / name / "nod2d.out").hash == mesh.hash


@pytest.mark.parametrize("name", ["fesom_pi", "fesom_pi_cavity"])
def test_nodes_are_projected(shared_data, name):
    """Positions agree with pyproj to 1 mm, also for triangles across the dateline."""
    nodes, elements = tables(shared_data / "meshes" / name)
    mesh = load_mesh(shared_data / "meshes" / name)
    np.testing.assert_allclose(mesh.nodes, np.stack(Proj(mesh.crs)(nodes[:, 1], nodes[:, 2]), axis=1), atol=1e-3)
    crossing = np.ptp(nodes[elements, 1], axis=1) > 180
    assert crossing.sum() > 10
    assert (mesh.areas[crossing] > 0).all()
    assert np.median(mesh.areas[crossing]) < 10 * np.median(mesh.areas)


def test_areas_are_those_of_fesom(shared_data):
    """FESOM uses the cosine of the latitude at the centre of a triangle, which is second-order accurate."""
    with xr.open_dataset(shared_data / "grids" / "fesom.mesh.diag.nc") as ds:
        expected = ds["elem_area"].values
    for path in (shared_data / "meshes" / "fesom_pi", shared_data / "grids" / "fesom.mesh.diag.nc"):
        areas = true_areas(load_mesh(path, FESOM_BALL))
        assert areas.sum() == pytest.approx(expected.sum(), rel=1e-3)
        assert np.median(np.abs(areas / expected - 1)) < 1e-2


def test_folder_and_ugrid_file_agree(shared_data):
    folder, file = (load_mesh(shared_data / part) for part in ("meshes/fesom_pi", "grids/fesom.mesh.diag.nc"))
    np.testing.assert_array_equal(folder.faces, file.faces)
    np.testing.assert_allclose(folder.nodes, file.nodes, atol=1e-3)


NODES = "4\n1 10 80 1\n2 20 80 1\n3 20 82 0\n4 10 82 0\n"
ELEMENTS = "2\n1 2 3\n1 3 4\n"


def written(folder, nodes: str = NODES, elements: str = ELEMENTS):
    (folder / "nod2d.out").write_text(nodes)
    (folder / "elem2d.out").write_text(elements)
    return folder


def test_a_small_folder(tmp_path):
    mesh = load_mesh(written(tmp_path))
    assert (mesh.n_nodes, mesh.n_faces) == (4, 2)
    assert {name: len(pairs) for name, pairs in mesh.boundaries.items()} == {"coast": 1, "open": 3}


@pytest.mark.parametrize(
    ("nodes", "elements", "message"),
    [
        (NODES[:-8], ELEMENTS, r"nod2d\.out: expected a number n, then n rows of 4"),
        (NODES, "3\n" + ELEMENTS[2:], r"elem2d\.out: expected a number n"),
        (NODES, ELEMENTS.replace("4", "5"), "whole numbers from 1 to 4"),
        (NODES, ELEMENTS.replace("1 3 4", "0 3 4"), "whole numbers from 1 to 4"),
        (NODES.replace("80 1", "800 1"), ELEMENTS, "must be degrees"),
        (NODES.replace("2 20", "7 20"), ELEMENTS, "numbered 1, 2, 3"),
        (NODES.replace("80", "nan"), ELEMENTS, "NaN"),
        ("four\n", ELEMENTS, "not a table of numbers"),
        ("", ELEMENTS, "truncated"),
        (NODES, ELEMENTS.replace("1 3 4", "1 2 3"), "overlap"),
    ],
)
def test_broken_folders(tmp_path, nodes, elements, message):
    with pytest.raises(InputError, match=message):
        load_mesh(written(tmp_path, nodes, elements))


def test_a_folder_with_one_file(tmp_path):
    (tmp_path / "nod2d.out").write_text(NODES)
    with pytest.raises(InputError, match="elem2d"):
        load_mesh(tmp_path)


# neXtSIM-DG


def test_nextsimdg_mesh(shared_data):
    """Counts and areas equal those that numpy computes from the text."""
    path = shared_data / "meshes" / "25km_NH.smesh"
    words = path.read_text().split()
    nx, ny = int(words[2]), int(words[3])
    place = words.index("landmask")
    ocean = np.array(words[place + 2 : place + 2 + nx * ny], dtype=int).reshape(ny, nx)
    held = np.array(words[words.index("dirichlet") + 2 : words.index("periodic")], dtype=int).reshape(-1, 2)
    mesh = load_mesh(path)
    assert mesh.n_faces == ocean.sum()
    assert mesh.areas.sum() == pytest.approx(ocean.sum() * 25e3**2, rel=1e-12)
    padded = np.pad(ocean, 1)
    sides = sum((np.diff(padded, axis=axis) != 0).sum() for axis in (0, 1))
    assert len(mesh.boundary_edges) == sides
    named = {name: len(pairs) for name, pairs in mesh.boundaries.items()}
    assert sum(named.values()) == sides
    assert named["coast"] >= len(held) - (ocean.ravel()[held[:, 0]] == 0).sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "truncated"),
        (lambda text: text.replace("landmask 2\n1\n1", "landmask 1\n1"), "1 flags for 2 cells"),
        (lambda text: text.replace("periodic 0", "periodic 1\n0 1 0"), "periodic"),
        (lambda text: text.replace("1 1\nperiodic", "9 1\nperiodic"), "cells beyond 2"),
        (lambda text: text.replace("1e4 0", "x 0"), "could not convert"),
        (lambda text: "Mesh" + text, "must begin with"),
        (lambda text: text.replace("landmask 2\n1\n1", "landmask 2\n0\n0"), "no ocean"),
    ],
)
def test_broken_smesh(tmp_path, change, message):
    path = tmp_path / "box.smesh"
    path.write_text(SMESH)
    assert {name: len(pairs) for name, pairs in load_mesh(path).boundaries.items()} == {"coast": 2, "open": 4}
    path.write_text(change(SMESH))
    with pytest.raises(InputError, match=message):
        load_mesh(path)
