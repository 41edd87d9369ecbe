"""Advice in messages about files can be followed: planes that are not understood, several topologies, repairs.

A message that advises an option is followed literally by these tests; where no option helps, none is advised.
"""

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset

DAYS = {"units": "days since 2000-01-01"}
NY, NX = 5, 6
REPAIR = re.compile("--repair|repair=True")


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return caplog


def stored(folder: Path, ds: xr.Dataset, name: str = "file.nc") -> Path:
    ds.to_netcdf(folder / name)
    return folder / name


# Grids in a plane that is not understood -----------------------------------------------------------------------------


def grid(mapping=None, *, units="m", step=5e3, x0=1e5, y0=4e5, dims=("y", "x"), name="crs", curvilinear=False):
    """Ice on cells with x and y in a unit of length, in the plane of a grid mapping."""
    x, y = x0 + step * np.arange(NX), y0 + step * np.arange(NY)
    ds = xr.Dataset(coords={"time": ("time", [0.0, 1.0], DAYS)})
    for axis, values, other in (("x", x, y[:, None]), ("y", y, x[None])):
        attrs = {"units": units, "standard_name": f"projection_{axis}_coordinate"}
        full = values + 0 * other if axis == "x" else values[:, None] + 0 * other
        ds[f"{axis}c" if curvilinear else axis] = (("y", "x"), full, attrs) if curvilinear else (axis, values, attrs)
    values = xr.DataArray(np.full((2, NY, NX), 0.5), dims=("time", "y", "x")).transpose("time", *dims)
    for field, unit in (("siconc", "1"), ("sivol", "m")):
        ds[field] = values.assign_attrs(units=unit, grid_mapping=name)
    return ds if mapping is None else ds.assign({name: ((), np.int32(0), mapping)})


STEREO = {"grid_mapping_name": "polar_stereographic"}
UNREADABLE = {
    "TOPAZ, stereographic without parameters, km": (
        STEREO | {"semi_major_axis": 6378273.0},
        {"units": "km", "step": 5.0, "x0": 100.0, "y0": 400.0},
    ),
    "D-Flow FM without a code": (
        {"grid_mapping_name": "Unknown projected", "epsg": 0},
        {"name": "projected_coordinate_system"},
    ),
    "WKT that was cut, (x, y)": ({"crs_wkt": "PROJCS[broken"}, {"dims": ("x", "y"), "name": "polar_stereographic"}),
    "a name of its own, curvilinear": ({"grid_mapping_name": "model_plane"}, {"curvilinear": True}),
    "a number as a name, y decreases": ({"grid_mapping_name": 4}, {"y0": -4e5, "x0": -3e5}),
    "empty WKT": (
        {"crs_wkt": "", "grid_mapping_name": ""},
        {"units": "kilometers", "step": 25.0, "x0": -500.0, "y0": 0.0},
    ),
}


@pytest.mark.parametrize("crs", [None, "EPSG:3976"])
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_crs_wins_over_a_grid_mapping_that_is_not_understood(tmp_path, warnings, kind, crs):
    """Without crs= the mesh has no crs, which is said; with it, mesh and fields lie in that plane."""
    mapping, form = UNREADABLE[kind]
    path = stored(tmp_path, grid(mapping, **form))
    mesh = gg.load_mesh(path, crs=crs)
    assert mesh.n_faces == NY * NX
    if crs is None:
        assert mesh.crs is None
        assert re.search(r"not understood.*load_mesh\(FILE, crs=\.\.\.\) or --crs EPSG", warnings.text)
        return

    assert f"EPSG:{mesh.crs.to_epsg()}" == crs
    assert "not understood" not in warnings.text
    store = gg.open_store(path, mesh=mesh)
    assert mesh_from_dataset(store).crs == mesh.crs
    np.testing.assert_allclose(store["sic"].values, 0.5)


@pytest.mark.parametrize("south", [False, True])
def test_longitude_and_latitude_need_no_grid_mapping(tmp_path, warnings, south):
    """NSIDC: x and y in an unreadable plane, longitude and latitude beside them."""
    ds = grid(STEREO)
    lon, lat = np.meshgrid(5.0 * np.arange(NX), 70.0 + np.arange(NY))
    ds["longitude"] = (("y", "x"), lon, {"units": "degrees_east"})
    ds["latitude"] = (("y", "x"), -lat if south else lat, {"units": "degrees_north"})
    mesh = gg.load_mesh(stored(tmp_path, ds))
    assert mesh.crs.is_projected
    assert "longitude and latitude are used" in warnings.text
    assert "--crs" not in warnings.text


@pytest.mark.parametrize("order", [("broken", "plane"), ("plane", "broken")])
@pytest.mark.parametrize("named", ["plane", "broken"])
def test_one_of_two_grid_mappings_is_understood(tmp_path, order, named):
    mappings = {"broken": {"grid_mapping_name": "unknown"}, "plane": {"grid_mapping_name": "none", "epsg": 3413}}
    ds = grid(name=named)
    path = stored(tmp_path, ds.assign({name: ((), 0, mappings[name]) for name in order}))
    assert gg.load_mesh(path).crs.to_epsg() == 3413


def test_the_grid_mapping_of_the_fields_comes_first(tmp_path):
    """Another plane, of other fields, stands first in the file."""
    ds = xr.Dataset({"area": ((), 0, {"epsg": 3976}), "plane": ((), 0, {"epsg": 3413})})
    assert gg.load_mesh(stored(tmp_path, ds.merge(grid(name="plane")))).crs.to_epsg() == 3413


@pytest.mark.parametrize("mapping", [None, {"grid_mapping_name": "rotated_latitude_longitude"}])
def test_a_rotated_globe_without_its_pole_asks_for_the_pole(tmp_path, warnings, mapping):
    """No plane helps here, so that no message may advise one."""
    ds = grid(mapping, step=1.0, x0=0.0, y0=0.0, units="degrees").rename(x="rlon", y="rlat")
    for name, word in (("rlon", "longitude"), ("rlat", "latitude")):
        ds[name].attrs = {"units": "degrees", "standard_name": f"grid_{word}"}
    path = stored(tmp_path, ds)
    for crs in (None, 3413):
        with pytest.raises(InputError, match="grid_north_pole_latitude") as caught:
            gg.load_mesh(path, crs=crs)
        assert "crs" not in str(caught.value) + warnings.text


@pytest.mark.parametrize("mapping", [None, STEREO, {"grid_mapping_name": "latitude_longitude"}])
def test_winds_to_the_east_get_their_plane_from_a_mesh(tmp_path, mapping):
    ds = grid(mapping, x0=0.0, y0=-2e6)
    for name, word in (("uas", "eastward"), ("vas", "northward")):
        ds[name] = xr.full_like(ds["siconc"], 3.0).assign_attrs(units="m s-1", standard_name=f"{word}_wind")
    path = stored(tmp_path, ds)
    with pytest.raises(InputError, match=r"'uas' points east.*mesh=load_mesh\(FILE, crs=\.\.\.\)"):
        gg.open_store(path)
    store = gg.open_store(path, mesh=gg.load_mesh(path, crs="EPSG:3413"))
    np.testing.assert_allclose(np.hypot(store["uas"], store["vas"]), 3 * np.sqrt(2), rtol=1e-6)


# Topologies ----------------------------------------------------------------------------------------------------------

QUADS = np.array([[a, a + 1, a + 6, a + 5] for a in range(20) if (a + 1) % 5])
MESH = {"cf_role": "mesh_topology", "topology_dimension": 2}


def ugrid(faces=QUADS, name="mesh2d", has_fields=True) -> xr.Dataset:
    """16 cells as D-Flow FM writes them, with ice."""
    y, x = np.divmod(np.arange(25), 5)
    names = {"node_coordinates": f"{name}_node_x {name}_node_y", "face_node_connectivity": f"{name}_face_nodes",
             "face_dimension": f"{name}_nFaces"}  # fmt: skip
    ds = xr.Dataset(
        {
            name: ((), np.int32(0), MESH | names),
            f"{name}_node_x": (f"{name}_nNodes", 1e5 + 5e3 * x, {"units": "m"}),
            f"{name}_node_y": (f"{name}_nNodes", 4e5 + 5e3 * y, {"units": "m"}),
            f"{name}_face_nodes": ((f"{name}_nFaces", f"{name}_nMax"), faces + 1, {"start_index": 1}),
        },
        coords={"time": ("time", [0.0, 1.0], DAYS)},
    )
    for field, unit in (("siconc", "1"), ("sivol", "m")) if has_fields else ():
        attrs = {"units": unit, "mesh": name, "location": "face"}
        ds[field] = (("time", f"{name}_nFaces"), np.full((2, len(faces)), 0.5), attrs)
    return ds


OTHER_TOPOLOGIES = {
    "layers": {"mesh3d": {"cf_role": "mesh_topology", "topology_dimension": 3, "volume_node_connectivity": "v"}},
    "rivers and pipes": {
        "network1d": {"cf_role": "mesh_topology", "topology_dimension": 1, "edge_node_connectivity": "e"},
        "mesh1d": {"cf_role": "mesh_topology", "topology_dimension": np.int32(1), "coordinate_space": "network1d"},
    },
    "contacts": {"links": {"cf_role": "mesh_topology_contact", "contact": "mesh1d: node mesh2d: face"}},
    "subset": {"part": {"cf_role": "location_index_set", "mesh": "mesh2d", "location": "face"}},
    "stations": {"stations": {"cf_role": "mesh_topology", "topology_dimension": 0, "node_coordinates": "sx sy"}},
    "surface without tables": {"surface": MESH},
    "surface whose tables were dropped": {
        "surface": MESH | {"node_coordinates": "sx sy", "face_node_connectivity": "surface_nodes"}
    },
    "surface whose nodes were dropped": {
        "surface": MESH | {"node_coordinates": "sx sy", "face_node_connectivity": "mesh2d_face_nodes"}
    },
}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("kind", OTHER_TOPOLOGIES)
def test_only_one_topology_can_be_meant(tmp_path, kind, is_first):
    others = xr.Dataset({name: ((), 0, attrs) for name, attrs in OTHER_TOPOLOGIES[kind].items()})
    ds = others.merge(ugrid()) if is_first else ugrid().merge(others)
    path = stored(tmp_path, ds)
    assert gg.load_mesh(path).n_faces == 16
    assert gg.open_store(path).sizes["face"] == 16


def test_the_topologies_that_are_advised_can_be_chosen(tmp_path):
    ds = ugrid().merge(ugrid(name="fine", has_fields=False)).assign(bare=((), 0, MESH))
    path = stored(tmp_path, ds)
    with pytest.raises(InputError, match="2 mesh topologies") as caught:
        gg.load_mesh(path)
    (name,) = re.findall(r"topology='(\w+)'", str(caught.value))
    assert re.findall(r"--topology (\w+)", str(caught.value)) == [name]
    assert gg.load_mesh(path, topology=name).n_faces == 16


# Repair --------------------------------------------------------------------------------------------------------------


def turned() -> np.ndarray:
    faces = QUADS.copy()
    faces[3] = faces[3, ::-1]
    return faces


def flat() -> np.ndarray:
    return np.concatenate([QUADS, [[0, 1, 1, 0]]])


def crossed() -> np.ndarray:
    faces = QUADS.copy()
    faces[5] = faces[5, [0, 2, 1, 3]]
    return faces


def twice() -> np.ndarray:
    return np.concatenate([QUADS, QUADS[:1]])


def message_of(read) -> str:
    """The message of an error about a file; empty without one."""
    try:
        read()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
@pytest.mark.parametrize("make", [turned, flat, crossed, twice])
def test_a_repair_is_advised_for_meshes_if_it_helps_and_never_for_fields(tmp_path, make, suffix):
    ds = ugrid(make())
    path = tmp_path / f"file.{suffix}"
    ds.to_netcdf(path) if suffix == "nc" else ds.to_zarr(path, zarr_format=2)
    without = message_of(lambda: gg.load_mesh(path))
    afterwards = message_of(lambda: gg.load_mesh(path, repair=True))
    assert without
    assert bool(REPAIR.search(without)) == (not afterwards)
    assert not REPAIR.search(afterwards)

    given = gg.Mesh.from_faces(np.array([[0, 0], [5e4, 0], [0, 5e4]]), [[0, 1, 2]])
    for read in (
        lambda: gg.open_store(path),
        lambda: gg.open_store(path, mesh=given),
        lambda: mesh_from_dataset(ds),
    ):
        message = message_of(read)
        assert re.search("inverted|same node|zero area|overlap", message)
        assert not REPAIR.search(message)


def test_corners_of_cells_of_icon_are_not_repaired(tmp_path):
    """Cells with corners of their own in radians: the reader does not repair, and says where to look."""
    lon, lat = np.meshgrid(np.radians(5.0 * np.arange(5)), np.radians(70.0 + np.arange(5)))
    ds = xr.Dataset()
    for name, part in (("clon", lon.ravel()[turned()]), ("clat", lat.ravel()[turned()])):
        ds[name] = ("ncells", part.mean(axis=1), {"units": "radian", "bounds": f"{name}_vertices"})
        ds[f"{name}_vertices"] = (("ncells", "nv"), part)
    path = stored(tmp_path, ds)
    for repair in (False, True):
        with pytest.raises(InputError, match=r"inverted.*correct the coordinates") as caught:
            gg.load_mesh(path, repair=repair)
        assert not REPAIR.search(str(caught.value))
