"""Meshes in datasets: exact round trips, and datasets written by others."""

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS

MIXED = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [2, 0.5]]) * 1e4
FACES = np.array([[0, 1, 2, 3], [1, 4, 2, -1]])
NAMED = {"open": np.array([[0, 1], [1, 4]]), "coast": np.array([[4, 2]]), "ice shelf": np.array([[2, 3]])}


@pytest.fixture(params=["named", "all one name", "no names"])
def mixed(request) -> Mesh:
    rim = np.array([[0, 1], [1, 4], [4, 2], [2, 3], [3, 0]])
    boundaries = {"named": NAMED, "all one name": {"coast": rim}, "no names": None}[request.param]
    return Mesh.from_faces(MIXED + 1 / 3, FACES, NEXTSIM_CRS, boundaries)


@pytest.mark.parametrize("where", ["memory", "mesh.nc", "mesh.zarr"])
def test_round_trip_is_exact(tmp_path, mixed, where):
    dataset = mesh_to_dataset(mixed)
    if where == "memory":
        back = mesh_from_dataset(dataset)
    else:
        path = tmp_path / where
        dataset.to_netcdf(path) if path.suffix == ".nc" else dataset.to_zarr(path, consolidated=False)
        back = load_mesh(path)
    expected = Mesh.from_faces(
        mixed.nodes, mixed.faces, mixed.crs, {name.replace(" ", "_"): pairs for name, pairs in mixed.boundaries.items()}
    )
    assert back.hash == expected.hash
    assert back.crs == NEXTSIM_CRS


def test_an_idealised_plane_stays_without_crs(small_mesh):
    dataset = mesh_to_dataset(small_mesh)
    assert "crs" not in dataset
    assert mesh_from_dataset(dataset).hash == small_mesh.hash


def test_node_flags_say_coast_where_coast_and_open_meet():
    mesh = Mesh.from_faces(MIXED, FACES, boundaries={name: NAMED[name] for name in ("open", "coast")})
    dataset = mesh_to_dataset(mesh)
    assert dataset["node_flag"].values.tolist() == [2, 2, 1, 2, 1]
    assert dataset["node_flag"].attrs["flag_meanings"] == "interior coast open"


def test_boundaries_from_node_flags_alone():
    dataset = mesh_to_dataset(Mesh.from_faces(MIXED, FACES)).drop_vars(["boundary_nodes", "boundary_flag"])
    del dataset["mesh"].attrs["boundary_node_connectivity"]
    dataset["node_flag"].values[:] = [1, 2, 1, 1, 1]
    mesh = mesh_from_dataset(dataset)
    counts = {name: len(pairs) for name, pairs in mesh.boundaries.items()}
    assert counts == {"coast": 3, "open": 2}


def test_a_one_based_transposed_table_with_fill_values():
    dataset = mesh_to_dataset(Mesh.from_faces(MIXED, FACES))
    table = np.where(FACES >= 0, FACES + 1, 999).T
    dataset["face_nodes"] = (("corner", "face"), table, {"start_index": 1, "_FillValue": 999})
    assert mesh_from_dataset(dataset).faces.tolist() == FACES.tolist()


def test_genuine_trajectories_hold_the_mesh_they_say(cyclone_meshes):
    stored = load_mesh(cyclone_meshes / "cyclone_16km_00.nc")
    mesh = load_mesh(cyclone_meshes / "box_16km_a.msh")
    assert stored.matches(mesh)
    assert stored.crs == mesh.crs
    assert {name: len(pairs) for name, pairs in stored.boundaries.items()} == {"coast": 128}


def test_geographic_coordinates_are_projected_by_their_extent(shared_data, caplog):
    path = shared_data / "grids" / "fesom.mesh.diag.nc"
    with xr.open_dataset(path) as dataset:
        n_faces = dataset.sizes["elem"]
    assert load_mesh(path).n_faces == n_faces
    assert "crs= chooses another plane" in caplog.text
    mesh = load_mesh(path, crs=NEXTSIM_CRS)
    assert mesh.n_faces == n_faces
    assert mesh.crs == NEXTSIM_CRS


def test_degrees_are_projected():
    dataset = mesh_to_dataset(Mesh.from_faces(MIXED, FACES, 3413))
    longitude, latitude = np.array([10.0, 11, 11, 10, 12]), np.array([80.0, 80, 81, 81, 80.5])
    dataset = dataset.drop_vars("crs")
    dataset["node_x"] = ("node", longitude, {"units": "degrees_east", "standard_name": "longitude"})
    dataset["node_y"] = ("node", latitude, {"units": "degrees_north", "standard_name": "latitude"})
    mesh = mesh_from_dataset(dataset, crs=CRS.from_epsg(3413))
    assert mesh.crs == CRS.from_epsg(3413)
    assert np.hypot(*mesh.nodes.T).max() < 1.2e6  # within ten degrees of the pole


def test_datasets_without_a_mesh(tmp_path):
    with pytest.raises(InputError, match="no mesh topology"):
        mesh_from_dataset(xr.Dataset({"sic": ("face", np.zeros(3))}))
    path = tmp_path / "plain.nc"
    xr.Dataset({"sic": ("face", np.zeros(3))}).to_netcdf(path)
    with pytest.raises(InputError, match=r"plain\.nc: the dataset has no mesh topology"):
        load_mesh(path)


@pytest.mark.parametrize("name", ["node_x", "face_nodes"])
def test_incomplete_topology(name):
    with pytest.raises(InputError, match=f"{name}.*not in the dataset"):
        mesh_from_dataset(mesh_to_dataset(Mesh.from_faces(MIXED, FACES)).drop_vars(name))


def test_two_topologies_need_a_name(small_mesh):
    dataset = mesh_to_dataset(small_mesh)
    dataset["other"] = dataset["mesh"]
    with pytest.raises(InputError, match="name one"):
        mesh_from_dataset(dataset)
    assert mesh_from_dataset(dataset, name="other").hash == small_mesh.hash


def test_broken_zarr(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match=r"empty\.zarr: "):
        load_mesh(tmp_path / "empty.zarr")
