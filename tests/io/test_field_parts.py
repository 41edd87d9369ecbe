"""Parts of files that are not needed, or vary in practice, do not refuse the whole.

Each input is a valid file with one part that is broken, missing or moving. The mesh is that of the file without this
part, and the fields are read; what is left out is said.
"""

import logging
from functools import cache
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io.cf import read_grid

DAYS = {"units": "days since 2000-01-01"}
NY, NX = 4, 5
LAT, LON = 70.0 + np.arange(NY), 5.0 * np.arange(NX)
TIMES = np.array(["2000-01-01", "2000-01-02"], dtype="datetime64[ns]")
EAST, NORTH = {"units": "degrees_east"}, {"units": "degrees_north"}


def axes(south: bool = False) -> xr.Dataset:
    """Ice on axes of longitude and latitude."""
    ds = xr.Dataset(coords={"time": ("time", [0.0, 1.0], DAYS)})
    ds = ds.assign_coords(lat=("lat", -LAT if south else LAT, NORTH), lon=("lon", LON, EAST))
    return with_ice(ds, ("lat", "lon"))


def bent() -> xr.Dataset:
    """Ice on a curvilinear grid."""
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    ds = xr.Dataset(coords={"time": ("time", [0.0, 1.0], DAYS)})
    ds["lon"] = (("j", "i"), lon + 0.3 * (lat - 70.0), EAST | {"standard_name": "longitude"})
    ds["lat"] = (("j", "i"), lat, NORTH | {"standard_name": "latitude"})
    return with_ice(ds, ("j", "i"))


def with_ice(ds: xr.Dataset, dims: tuple[str, ...]) -> xr.Dataset:
    for name, unit in (("siconc", "1"), ("sivol", "m")):
        ds[name] = (("time", *dims), np.full((2, NY, NX), 0.5, dtype=np.float32), {"units": unit})
    return ds


@cache
def plain_mesh(make, **form: bool) -> str:
    """Hash of the mesh of the file without the part in question."""
    return read_grid(make(**form)).mesh.hash


def check_read(path: Path, make, **form: bool) -> None:
    """The mesh is that of the plain dataset, the ice and its times are read."""
    assert gg.load_mesh(path).hash == plain_mesh(make, **form)
    store = gg.open_store(path)
    np.testing.assert_allclose(store["sic"].values, 0.5)
    np.testing.assert_array_equal(store["time"].values, TIMES)


# Corners of cells ----------------------------------------------------------------------------------------------------

EDGES = {"lat": np.stack([LAT - 0.5, LAT + 0.5], axis=1), "lon": np.stack([LON - 2.5, LON + 2.5], axis=1)}
BAD_AXES = {
    "zeros": lambda name: ((name, "nv"), 0 * EDGES[name]),
    "NaN": lambda name: ((name, "nv"), np.nan * EDGES[name]),
    "one is NaN": lambda name: ((name, "nv"), np.where(np.arange(len(EDGES[name]))[:, None] == 1, np.nan, EDGES[name])),
    "every second cell of a file": lambda name: ((name, "nv"), EDGES[name].mean(axis=1)[:, None] + [-0.25, 0.25]),
    "overlap": lambda name: ((name, "nv"), EDGES[name] + [-0.3, 0.3]),
    "of another part of the globe": lambda name: ((name, "nv"), EDGES[name] - 40.0),
    "edges in a row": lambda name: (f"{name}_edge", np.append(EDGES[name][:, 0], EDGES[name][-1, 1])),
    "one corner": lambda name: ((name, "nv"), EDGES[name][:, :1]),
    "of another grid": lambda name: ((f"{name}_2", "nv"), EDGES[name][:3]),
    "change with time": lambda name: (("time", name, "nv"), np.stack([EDGES[name], EDGES[name] + 1.0])),
}


@pytest.mark.parametrize(("kind", "south"), [(kind, number % 2 == 1) for number, kind in enumerate(BAD_AXES)])
def test_bounds_of_axes_that_cannot_be_used(tmp_path, caplog, kind, south):
    """Axes in rows and columns need no bounds."""
    ds = axes(south)
    for name in ("lat", "lon"):
        dims, values = BAD_AXES[kind](name)
        ds[f"{name}_bnds"] = (dims, -values if south and name == "lat" else values)
        ds[name].attrs["bounds"] = f"{name}_bnds"
    ds.to_netcdf(tmp_path / "file.nc")
    check_read(tmp_path / "file.nc", axes, south=south)
    assert "not used" in caplog.text


GOOD_AXES = {
    "transposed": lambda name: (("nv", name), EDGES[name].T),
    "from high to low": lambda name: ((name, "nv"), EDGES[name][:, ::-1]),
    "first record NaN": lambda name: (("time", name, "nv"), np.stack([np.nan * EDGES[name], EDGES[name]])),
    "last record NaN": lambda name: (("time", name, "nv"), np.stack([EDGES[name], np.nan * EDGES[name]])),
}


@pytest.mark.parametrize("kind", GOOD_AXES)
def test_bounds_of_axes_in_other_forms(tmp_path, caplog, kind):
    ds = axes()
    for name in ("lat", "lon"):
        ds[f"{name}_bnds"] = GOOD_AXES[kind](name)
    ds.to_netcdf(tmp_path / "file.nc")
    check_read(tmp_path / "file.nc", axes)
    assert "not used" not in caplog.text


@pytest.mark.parametrize(
    ("dims", "shape", "value"),
    [
        (("j", "i", "nv"), (NY, NX, 4), np.nan),
        (("j", "i", "nv"), (NY, NX, 4), 0.0),
        (("j", "i", "nv"), (NY, NX, 4), 9.96921e36),
        (("j", "i"), (NY, NX), 70.0),
        (("jj", "ii", "nv"), (NY - 1, NX - 1, 4), 70.0),
        (("j", "i", "nv"), (NY, NX, 1), 70.0),
    ],
)
def test_corners_of_curvilinear_cells_that_cannot_be_used(tmp_path, caplog, dims, shape, value):
    ds = bent()
    for name in ("lat", "lon"):
        ds[f"{name}_bnds"] = (dims, np.full(shape, value))
        ds[name].attrs["bounds"] = f"{name}_bnds"
    ds.to_netcdf(tmp_path / "file.nc")
    check_read(tmp_path / "file.nc", bent)
    assert "not used" in caplog.text


# Coordinates that move, records that are missing ---------------------------------------------------------------------

RANDOM = np.random.default_rng(0).uniform(size=(2, NY, NX))
MOVING = {
    "buoys": (("time", "buoy"), RANDOM[:, 0], {"standard_name": "longitude"}, {"standard_name": "latitude"}),
    "a nest (WRF)": (("time", "south_north", "west_east"), RANDOM[:, :3], EAST, NORTH),
    "points of the drift": (("time", "jv", "iv"), RANDOM[:, 1:], EAST, NORTH),
    "icebergs in a plane": (
        ("time", "iceberg"),
        RANDOM[:, 1],
        {"standard_name": "projection_x_coordinate", "units": "m"},
        {"standard_name": "projection_y_coordinate", "units": "m"},
    ),
    "a ship": ("time", RANDOM[:, 0, 0], EAST, NORTH),
}


@pytest.mark.parametrize(("kind", "make"), [(kind, (axes, bent)[n % 2]) for n, kind in enumerate(MOVING)])
def test_positions_that_move_beside_the_grid(tmp_path, make, kind):
    dims, values, first, second = MOVING[kind]
    make().assign(p_lon=(dims, values, first), p_lat=(dims, values, second)).to_netcdf(tmp_path / "file.nc")
    check_read(tmp_path / "file.nc", make)


def test_a_grid_that_moves_itself_is_refused(tmp_path):
    """Also where positions that stay lie beside it."""
    ds = bent().assign(station_lon=("station", [1.0, 2.0], EAST), station_lat=("station", [71.0, 72.0], NORTH))
    for name in ("lon", "lat"):
        ds[name] = (
            (ds[name] + xr.DataArray([0.0, 1.0], dims="time")).transpose("time", ...).assign_attrs(ds[name].attrs)
        )
    ds.to_netcdf(tmp_path / "file.nc")
    for read in (gg.load_mesh, gg.open_store):
        with pytest.raises(InputError, match="changes along 'time'"):
            read(tmp_path / "file.nc")


@pytest.mark.parametrize("missing", [0, 1])
def test_coordinates_that_one_record_lacks(tmp_path, missing):
    """Files joined by xarray, one of which had no coordinates."""
    ds = bent()
    for name in ("lon", "lat"):
        twice = ds[name].expand_dims(time=2).copy()
        twice[missing] = np.nan
        ds[name] = twice
    ds.to_netcdf(tmp_path / "file.nc")
    check_read(tmp_path / "file.nc", bent)


@pytest.mark.parametrize("mask", [None, "tmask", "mask_rho", "sea"])
def test_a_file_without_records_has_a_mesh(tmp_path, mask):
    """A model has made its file and not yet written a record; the fields are refused by the right name."""
    ds = bent().isel(time=slice(0, 0))
    if mask is not None:
        ds[mask] = (("time", "j", "i"), np.zeros((0, NY, NX)), {"standard_name": "sea_binary_mask"})
    ds.encoding["unlimited_dims"] = ["time"]
    ds.to_netcdf(tmp_path / "file.nc")
    assert gg.load_mesh(tmp_path / "file.nc").n_faces == NY * NX
    with pytest.raises(InputError, match="the dimension 'time' is empty") as caught:
        gg.open_store(tmp_path / "file.nc")
    assert "damaged" not in str(caught.value)


def test_coordinates_without_records_are_named(tmp_path):
    ds = bent()
    for name in ("lon", "lat"):
        ds[name] = ds[name].expand_dims(time=2)
    ds.isel(time=slice(0, 0)).to_netcdf(tmp_path / "file.nc")
    with pytest.raises(InputError, match="'lon' has no record, the dimension 'time' is empty"):
        gg.load_mesh(tmp_path / "file.nc")


# Variables that nobody needs -----------------------------------------------------------------------------------------


def depth(content: netCDF4.Dataset, kind: str = "f4", **attrs: object) -> None:
    variable = content.createVariable("depth", kind, ("lat", "lon"))
    variable[:] = 1
    for key, value in attrs.items():
        variable.setncattr(key, value)


def compound(content: netCDF4.Dataset) -> None:
    pair = np.dtype([("number", "i4"), ("weight", "f8")])
    content.createVariable("pairs", content.createCompoundType(pair, "pair"), ("time",))[:] = np.zeros(2, pair)


def ragged(content: netCDF4.Dataset) -> None:
    variable = content.createVariable("rows", content.createVLType(np.int32, "row"), ("time",))
    variable[0], variable[1] = np.array([1, 2], np.int32), np.array([1], np.int32)


def enum(content: netCDF4.Dataset) -> None:
    kind = content.createEnumType(np.uint8, "surface", {"sea": 0, "ice": 1})
    content.createVariable("kind", kind, ("time",))[:] = np.array([0, 1], np.uint8)


def clock(content: netCDF4.Dataset, units: str, values: object, dims: tuple[str, ...] = ()) -> None:
    variable = content.createVariable("clock", "f8", dims)
    variable.units = units
    variable[...] = values


def group(content: netCDF4.Dataset) -> None:
    inner = content.createGroup("diagnostics")
    inner.createDimension("time", 7)
    inner.createVariable("time", "f8", ("time",))[:] = np.nan


UNNEEDED = {
    "two scale factors": lambda c: depth(c, "i2", scale_factor=np.array([0.1, 0.2])),
    "a text as scale factor": lambda c: depth(c, "i2", scale_factor="0.01"),
    "two offsets": lambda c: depth(c, "i2", add_offset=np.array([1.0, 2.0])),
    "a number as coordinates": lambda c: depth(c, coordinates=1),
    "numbers as units and names": lambda c: depth(c, units=1, standard_name=3, bounds=1, grid_mapping=2),
    "a text as missing value": lambda c: depth(c, missing_value="NaN"),
    "an unsigned float": lambda c: depth(c, _Unsigned="true"),
    "an unknown dtype": lambda c: depth(c, "i1", dtype="strange"),
    "coordinates that are not there": lambda c: depth(c, coordinates="TLON TLAT", grid_mapping="crs", bounds="b"),
    "compound": compound,
    "rows of different length": ragged,
    "enum": enum,
    "durations without end": lambda c: clock(c, "days", 1e30),
    "a start in year 0": lambda c: clock(c, "seconds since 0000-00-00", 0.0),
    "times beyond all years": lambda c: clock(c, "seconds since 1981-01-01", 1e25, ("time", "lat", "lon")),
    "months of a formation": lambda c: clock(c, "months since formation", 1.0, ("lat", "lon")),
    "records without a second time": lambda c: clock(c, "days since 0000-01-01", np.nan, ("time",)),
    "a group with other times": group,
}


@pytest.mark.parametrize("kind", UNNEEDED)
def test_variables_that_nobody_needs(tmp_path, kind):
    axes().to_netcdf(tmp_path / "file.nc")
    with netCDF4.Dataset(tmp_path / "file.nc", "a") as content:
        UNNEEDED[kind](content)
    check_read(tmp_path / "file.nc", axes)


def test_a_variable_that_is_needed_and_cannot_be_decoded_is_named(tmp_path, caplog):
    axes().to_netcdf(tmp_path / "file.nc")
    with netCDF4.Dataset(tmp_path / "file.nc", "a") as content:
        content["siconc"].setncattr("scale_factor", np.array([0.1, 0.2]))
        content["sivol"].setncattr("scale_factor", np.array([0.1, 0.2]))
    with pytest.raises(InputError):
        gg.open_store(tmp_path / "file.nc")
    assert "'siconc' is left out, its attributes cannot be used" in caplog.text


def test_a_table_of_boundaries_that_is_not_there(tmp_path, caplog):
    """The mesh has other boundaries then, which is said."""
    faces = np.array([[0, 1, 3, 2]])
    ds = xr.Dataset(
        {"x": ("n", [0.0, 1e4, 0.0, 1e4], {"units": "m"}), "y": ("n", [0.0, 0.0, 1e4, 1e4], {"units": "m"})}
    )
    attrs = {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "x y"}
    ds["faces"] = (("f", "c"), faces, {"start_index": 0})
    names = {"face_node_connectivity": "faces", "boundary_node_connectivity": "rim", "edge_coordinates": "ex ey"}
    ds.assign(mesh=((), 0, attrs | names)).to_netcdf(tmp_path / "file.nc")
    with caplog.at_level(logging.WARNING):
        assert gg.load_mesh(tmp_path / "file.nc").n_faces == 1
    assert "boundaries are not used" in caplog.text
