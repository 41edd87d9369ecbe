"""Ensembles in one file: each member is a trajectory, the same as if it had come in a file of its own."""

import logging

import numpy as np
import pytest
import xarray as xr
from support.grids import plane_grid

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_to_dataset, open_store
from gensim_graph.mesh import Mesh

MEMBERS = 3
FIELDS = ("sit", "sic", "siu", "siv", "uas", "vas")


def ensemble(dim: str, first: bool = True, coordinate: bool = True) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """Members that differ, in one dataset and one by one; ``first``: the dimension comes before the time."""
    ds = plane_grid()
    members = []
    for number in range(MEMBERS):
        shift = xr.zeros_like(ds["sic"]) + 0.01 * number
        members.append(ds.assign({name: (ds[name] + shift).assign_attrs(ds[name].attrs) for name in ("sit", "siu")}))
    together = xr.concat(members, dim=dim, data_vars=["sit", "siu"])
    if not first:
        together = together.transpose("time", dim, ...)
    return together.assign_coords({dim: np.arange(MEMBERS)} if coordinate else {}), members


CASES = [
    ("member", True, True), ("realization", False, True), ("number", False, True), ("ensemble", True, False),
    ("ens", False, False), ("ensemble_member", True, True), ("nens", True, False),
]  # fmt: skip


@pytest.mark.parametrize(("dim", "first", "coordinate"), CASES)
def test_members_are_trajectories(dim, first, coordinate, tmp_path, caplog):
    """The same as files with one member each; variables without members are the same in all."""
    together, members = ensemble(dim, first, coordinate)
    together.to_netcdf(tmp_path / "all.nc")
    for number, one in enumerate(members):
        one.to_netcdf(tmp_path / f"{number}.nc")
    with caplog.at_level(logging.INFO):
        store = open_store(tmp_path / "all.nc")
    assert f"'{dim}' has 3 members: each is a trajectory" in caplog.text
    expected = open_store([tmp_path / f"{number}.nc" for number in range(MEMBERS)])
    assert store["sit"].dims == ("trajectory", "time", "face")
    for name in expected.data_vars:
        np.testing.assert_array_equal(store[name].values, expected[name].values, err_msg=str(name))
    assert load_mesh(tmp_path / "all.nc").hash == load_mesh(tmp_path / "0.nc").hash


def test_the_standard_name_tells_members():
    together, _ = ensemble("draw")
    together["draw"].attrs["standard_name"] = "realization"
    assert open_store(together).sizes["trajectory"] == MEMBERS


def test_one_member_is_no_trajectory():
    together, members = ensemble("member")
    for one in (together.isel(member=[1]), together.isel(member=1)):
        store = open_store(one)
        assert "trajectory" not in store.dims
        np.testing.assert_array_equal(store["sit"].values, open_store(members[1])["sit"].values)


def test_states_of_members_at_one_time():
    """An ensemble of analyses: no dimension of time, a scalar."""
    together, members = ensemble("member")
    state = open_store(together.isel(time=1))
    assert dict(state["sit"].sizes) == {"trajectory": 3, "time": 1, "face": state.sizes["face"]}
    np.testing.assert_array_equal(state["sit"].values[2, 0], open_store(members[2])["sit"].values[1])


def test_cells_are_those_of_any_member():
    """Without a mask, a cell is ocean if any member has a value there; a gap in another member is told."""
    together, _ = ensemble("member")
    together = together.drop_vars("mask")
    together["sit"] = together["sit"].where((together["member"] != 1) | (together["x"] > together["x"][1]))
    with pytest.raises(InputError, match="'sit' is missing"):
        open_store(together)


def test_members_on_the_mesh_of_this_package(tmp_path):
    axis = np.arange(4) * 1e4
    mesh = Mesh.from_grid(axis, axis)
    ds = mesh_to_dataset(mesh).assign_coords(
        time=np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")
    )
    values = np.random.default_rng(0).uniform(size=(2, 5, 16)).astype(np.float32)
    ds["sic"] = (("time", "number", "face"), values, {"units": "1"})
    ds.to_netcdf(tmp_path / "own.nc")
    store = open_store(tmp_path / "own.nc")
    np.testing.assert_array_equal(store["sic"].values, values.transpose(1, 0, 2))


def test_members_of_a_mesh_of_another_program():
    """UGRID with longitude and latitude and dimensions of its own."""
    lon, lat = np.array([0.0, 4.0, 4.0, 0.0]), np.array([80.0, 80.0, 81.0, 81.0])
    ds = xr.Dataset(coords={"time": np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")})
    ds["mesh2d"] = xr.Variable((), 0, {
        "cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "lon lat",
        "face_node_connectivity": "table",
    })  # fmt: skip
    ds["lon"], ds["lat"] = ("nNodes", lon, {"units": "degrees_east"}), ("nNodes", lat, {"units": "degrees_north"})
    ds["table"] = (("nFaces", "three"), np.array([[0, 1, 2], [0, 2, 3]]))
    values = np.random.default_rng(0).uniform(size=(2, 5, 2)).astype(np.float32)
    ds["siconc"] = (("time", "realization", "nFaces"), values, {"units": "1"})
    store = open_store(ds)
    np.testing.assert_array_equal(store["sic"].values, values.transpose(1, 0, 2))


def test_the_two_parts_of_era5_are_no_members():
    together, _ = ensemble("expver")
    with pytest.raises(InputError, match=r"combine_first"):
        open_store(together)
