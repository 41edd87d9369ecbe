"""Meshes that are written, and read again by meshio, xarray and our own reader; the form that neXtSIM needs."""

import meshio
import numpy as np
import pytest
import xarray as xr
from support.meshes import jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, write_mesh
from gensim_graph.mesh import Mesh, coarsen_mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS


@pytest.fixture
def bay() -> Mesh:
    """A square in neXtSIM's plane, open to the south."""
    box = jittered_box(6, side=3e5)
    nodes = box.nodes + np.array([2e5, -6e5])
    south = (box.nodes[box.boundary_edges][..., 1] == 0).all(axis=1)
    edges = box.boundary_edges
    return Mesh.from_faces(nodes, box.faces, NEXTSIM_CRS, {"coast": edges[~south], "open": edges[south]})


@pytest.mark.parametrize("name", ["mesh.nc", "mesh.zarr"])
def test_ugrid_keeps_everything(name, bay, tmp_path):
    back = load_mesh(write_mesh(bay, tmp_path / name))
    np.testing.assert_array_equal(back.nodes, bay.nodes)
    np.testing.assert_array_equal(back.faces, bay.faces)
    assert back.crs == bay.crs
    assert {key: len(pairs) for key, pairs in back.boundaries.items()} == {"coast": 18, "open": 6}
    with xr.open_dataset(tmp_path / name, engine=None if name.endswith("nc") else "zarr") as ds:
        assert ds["mesh"].attrs["cf_role"] == "mesh_topology"
        assert ds["node_x"].attrs["units"] == "m"


def test_msh_in_meshio(bay, tmp_path):
    """Directions on neXtSIM's sphere, nodes of the boundary first, counter-clockwise, coast by name."""
    path = write_mesh(bay, tmp_path / "mesh.msh")
    raw = meshio.read(path, file_format="gmsh")
    triangles = np.concatenate([block.data for block in raw.cells if block.type == "triangle"])
    assert (len(raw.points), len(triangles)) == (bay.n_nodes, bay.n_faces)
    np.testing.assert_allclose(np.linalg.norm(raw.points, axis=1), 6378273.0, rtol=1e-12)
    lines = np.concatenate([block.data for block in raw.cells if block.type == "line"])
    assert set(lines.ravel()) == set(range(24))
    assert set(raw.field_data) == {"coast", "open", "water"}
    tags = np.concatenate([tag for block, tag in zip(raw.cells, raw.cell_data["gmsh:physical"], strict=True)
                           if block.type == "line"])  # fmt: skip
    assert (tags == raw.field_data["coast"][0]).sum() == 18


def test_msh_comes_back(bay, tmp_path):
    back = load_mesh(write_mesh(bay, tmp_path / "mesh.msh"))
    assert back.crs == bay.crs
    np.testing.assert_allclose(np.sort(back.areas), np.sort(bay.areas), rtol=1e-9)
    there = {tuple(row) for row in np.round(back.nodes, 3)}
    assert there == {tuple(row) for row in np.round(bay.nodes, 3)}
    assert {key: len(pairs) for key, pairs in back.boundaries.items()} == {"coast": 18, "open": 6}


def test_a_genuine_msh_is_the_same_after_a_round(shared_data, tmp_path):
    mesh = load_mesh(shared_data / "meshes" / "coast_10km.msh")
    back = load_mesh(write_mesh(mesh, tmp_path / "mesh.msh"))
    assert (back.n_nodes, back.n_faces) == (mesh.n_nodes, mesh.n_faces)
    assert {key: len(pairs) for key, pairs in back.boundaries.items()} == {"coast": 100, "open": 300}
    np.testing.assert_allclose(back.centres, mesh.centres, atol=1e-3)


def test_vtu_in_meshio(bay, tmp_path):
    content = meshio.read(write_mesh(bay, tmp_path / "mesh.vtu"))
    np.testing.assert_array_equal(content.points[:, :2], bay.nodes)
    np.testing.assert_array_equal(content.cells_dict["triangle"], bay.faces)
    np.testing.assert_array_equal(content.cell_data["area"][0], bay.areas)


def test_polygons(bay, tmp_path):
    coarse = coarsen_mesh(bay)
    with pytest.raises(InputError, match=r"mesh.msh: gmsh has triangles and quadrilaterals; \d+ faces have more"):
        write_mesh(coarse, tmp_path / "mesh.msh")
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(load_mesh(write_mesh(coarse, tmp_path / "mesh.nc")).faces, coarse.faces)
    content = meshio.read(write_mesh(coarse, tmp_path / "mesh.vtu"))
    assert sum(len(block.data) for block in content.cells) == coarse.n_faces


def test_another_suffix(bay, tmp_path):
    with pytest.raises(InputError, match="expected a name that ends in"):
        write_mesh(bay, tmp_path / "mesh.docx")
