"""Drift on the sides and corners of cells: at the centres it must be what a linear flow has there."""

import logging

import numpy as np
import pytest
import xarray as xr
from pyproj import Proj

from gensim_graph.io import open_store
from gensim_graph.io.cf import mesh_in_file, on_faces, on_faces_of, read_grid
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.mesh.planes import NEXTSIM_CRS

TIMES = np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")
NY, NX, STEP = 9, 12, 4e4
FLOW = np.array([[0.1, 2e-7, -3e-7], [-0.2, 1e-7, 4e-7]])  # m/s, 1/s, 1/s: constant, and slopes along x and y


def points(shape, row_shift: float, column_shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the plane of points that are shifted against the cells by parts of a cell."""
    return np.meshgrid((np.arange(shape[1]) + column_shift + 3) * STEP, (np.arange(shape[0]) + row_shift + 4) * STEP)


def flow(component: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    constant, along_x, along_y = FLOW[component]
    return (constant + along_x * x + along_y * y) * np.ones((len(TIMES), 1, 1))


def with_degrees(ds: xr.Dataset, names, dims, where) -> xr.Dataset:
    lonlat = Proj(NEXTSIM_CRS)(*where, inverse=True)
    units = ("degrees_east", "degrees_north")
    return ds.assign_coords(
        {name: (dims, part, {"units": unit}) for name, part, unit in zip(names, lonlat, units, strict=True)}
    )


# Program -> names and dimensions of the centres; name of concentration; for u and v: name, dimensions, names of their
# coordinates, number of points more than cells, and shift in rows and columns.
PROGRAMS = {
    "ROMS": (("lon_rho", "lat_rho"), ("eta_rho", "xi_rho"), "aice", [
        ("uice", ("eta_u", "xi_u"), ("lon_u", "lat_u"), (0, -1), (0, 0.5)),
        ("vice", ("eta_v", "xi_v"), ("lon_v", "lat_v"), (-1, 0), (0.5, 0)),
    ]),
    "subset of ROMS": (("lon_rho", "lat_rho"), ("eta_rho", "xi_rho"), "aice", [
        ("uice", ("eta_u", "xi_u"), ("lon_u", "lat_u"), (0, 0), (0, 0.5)),
        ("vice", ("eta_v", "xi_v"), ("lon_v", "lat_v"), (0, 0), (0.5, 0)),
    ]),
    "CICE": (("TLON", "TLAT"), ("nj", "ni"), "aice", [
        ("uvel", ("nj", "ni"), ("ULON", "ULAT"), (0, 0), (0.5, 0.5)),
        ("vvel", ("nj", "ni"), ("ULON", "ULAT"), (0, 0), (0.5, 0.5)),
    ]),
    "NEMO": (("nav_lon_grid_T", "nav_lat_grid_T"), ("y_grid_T", "x_grid_T"), "siconc", [
        ("sivelu", ("y_grid_U", "x_grid_U"), ("nav_lon_grid_U", "nav_lat_grid_U"), (0, 0), (0, 0.5)),
        ("sivelv", ("y_grid_V", "x_grid_V"), ("nav_lon_grid_V", "nav_lat_grid_V"), (0, 0), (0.5, 0)),
    ]),
    "NEMO with one pair of dimensions": (("nav_lon", "nav_lat"), ("y", "x"), "siconc", [
        ("sivelu", ("y", "x"), ("nav_lon_u", "nav_lat_u"), (0, 0), (0, 0.5)),
        ("sivelv", ("y", "x"), ("nav_lon_v", "nav_lat_v"), (0, 0), (0.5, 0)),
    ]),
    "MOM6": (("geolon", "geolat"), ("yh", "xh"), "siconc", [
        ("siu", ("yh", "xq"), ("geolon_u", "geolat_u"), (0, 1), (0, -0.5)),
        ("siv", ("yq", "xh"), ("geolon_v", "geolat_v"), (1, 0), (-0.5, 0)),
    ]),
    "MITgcm": (("XC", "YC"), ("j", "i"), "SIarea", [
        ("SIuice", ("j", "i_g"), ("XU", "YU"), (0, 0), (0, -0.5)),
        ("SIvice", ("j_g", "i"), ("XV", "YV"), (0, 0), (-0.5, 0)),
    ]),
}  # fmt: skip


def file_of(program: str, coordinates: bool = True, attribute: bool = True) -> xr.Dataset:
    names, dims, name, components = PROGRAMS[program]
    ds = with_degrees(xr.Dataset(coords={"time": TIMES}), names, dims, points((NY, NX), 0, 0))
    ice = np.random.default_rng(0).uniform(0.1, 0.9, (len(TIMES), NY, NX)).astype(np.float32)
    ds[name] = (("time", *dims), ice, {"units": "1", "coordinates": " ".join(names)})
    for number, (key, point_dims, point_names, more, shift) in enumerate(components):
        shape = (NY + more[0], NX + more[1])
        where = points(shape, *shift)
        if coordinates:
            ds = with_degrees(ds, point_names, point_dims, where)
        ds[key] = (("time", *point_dims), flow(number, *where).astype(np.float32), {"units": "m s-1"})
        if attribute:
            ds[key].attrs["coordinates"] = " ".join(point_names)
    return ds


def check(store: xr.Dataset, rim: int = 1) -> None:
    """Away from the rim of the grid the drift is that of the flow at the centres."""
    x, y = points((NY, NX), 0, 0)
    inner = (slice(rim, -rim), slice(rim, -rim))
    for number, name in enumerate(("siu", "siv")):
        found = store[name].values.reshape(len(TIMES), NY, NX)
        expected = flow(number, x, y)
        np.testing.assert_allclose(found[:, *inner], expected[:, *inner], atol=2e-5)
        assert np.abs(found - expected).max() < 0.5 * np.abs(FLOW[number, 1:]).sum() * STEP + 1e-4  # half a cell


ON_OTHER_DIMENSIONS = ["ROMS", "subset of ROMS", "NEMO", "MOM6", "MITgcm"]
"""Elsewhere only the attribute ``coordinates`` tells where the values lie."""


@pytest.mark.parametrize(
    ("program", "attribute"), [(one, True) for one in PROGRAMS] + [(one, False) for one in ON_OTHER_DIMENSIONS]
)
def test_drift_comes_to_the_centres(program, attribute, tmp_path, caplog):
    file_of(program, attribute=attribute).to_netcdf(tmp_path / "run.nc")
    with caplog.at_level(logging.INFO):
        check(open_store(tmp_path / "run.nc"))
    assert "averaged from the sides or corners of the cells to their centres: '" in caplog.text
    assert "left out" not in caplog.text


@pytest.mark.parametrize("program", ON_OTHER_DIMENSIONS)
def test_without_coordinates_the_names_and_sizes_tell(program):
    check(on_faces(file_of(program, coordinates=False)))


def test_a_subset_of_cice_without_the_corners():
    """``ncks -v aice,uvel,vvel`` may leave out ULON and ULAT: the attribute still names them."""
    check(on_faces(file_of("CICE", coordinates=False)))


def test_cice_without_the_attribute_is_told(caplog):
    ds = file_of("CICE", attribute=False)
    with caplog.at_level(logging.WARNING):
        on_faces(ds)
    assert "'uvel' does not say where its values lie" in caplog.text


def test_the_axis_shift_of_xgcm():
    ds = file_of("NEMO", coordinates=False).rename(x_grid_U="xr", y_grid_U="yr", x_grid_V="xs", y_grid_V="ys")
    for dim, size, shift in (("xr", NX, 0.5), ("yr", NY, 0.0), ("xs", NX, 0.0), ("ys", NY, 0.5)):
        ds = ds.assign_coords({dim: (dim, np.arange(size), {"c_grid_axis_shift": shift})})
    check(on_faces(ds))


def test_fill_values_as_coordinates_of_points():
    """A subset of ROMS whose lon_u and lat_u are 0 everywhere."""
    ds = file_of("subset of ROMS")
    for name in ("lon_u", "lat_u", "lon_v", "lat_v"):
        ds[name] = ds[name] * 0
    check(on_faces(ds))


def test_land_beside_a_cell_does_not_count():
    """Values on masked sides are left out; where all sides are land, the ice is at rest."""
    ds = file_of("ROMS")
    mask = np.ones((NY, NX))
    mask[3:6, 4:8] = 0
    mask[4, 5:7] = 1  # a lake of two cells
    mask_u, mask_v = mask[:, 1:] * mask[:, :-1], mask[1:] * mask[:-1]
    ds["mask_rho"], ds["mask_u"] = (("eta_rho", "xi_rho"), mask), (("eta_u", "xi_u"), mask_u)
    ds["mask_v"] = (("eta_v", "xi_v"), mask_v)
    ds["aice"] = ds["aice"].where(ds["mask_rho"] == 1, 0.0)
    ds["uice"] = ds["uice"].where(ds["mask_u"] == 1, 99.0)  # written on land by some programs
    ds["vice"] = ds["vice"].where(ds["mask_v"] == 1, 99.0)
    store = on_faces(ds)
    assert store.sizes["face"] == mask.sum()
    assert max(np.abs(store["siu"]).max(), np.abs(store["siv"]).max()) < 1
    lake = np.flatnonzero(np.isin(np.flatnonzero(mask), [4 * NX + 5, 4 * NX + 6]))
    assert np.abs(store["siv"].values[:, lake]).max() < 1e-6  # turned by rounding only
    assert (store["siu"].values[:, lake] != 0).all()


def test_a_grid_around_the_globe():
    """CICE: the left corners of the first column are those of the last one."""
    nx, ny = 36, 10
    lon, lat = np.meshgrid(np.arange(nx) * 10.0, 60 + np.arange(ny) * 2.0)
    ds = xr.Dataset(coords={"time": TIMES})
    for names, shift in ((("TLON", "TLAT"), 0.0), (("ULON", "ULAT"), 0.5)):
        for name, values, unit in zip(names, (lon + 10 * shift, lat + 2 * shift), ("degrees_east", "degrees_north"),
                                      strict=True):  # fmt: skip
            ds = ds.assign_coords({name: (("nj", "ni"), values, {"units": unit})})
    wave = np.cos(np.radians(ds["ULON"].values)) * np.ones((2, 1, 1))
    ds["aice"] = (("time", "nj", "ni"), np.full((2, ny, nx), 0.5, np.float32), {"units": "1"})
    for name, direction in (("uvel", "eastward"), ("vvel", "northward")):
        attrs = {"units": "m/s", "coordinates": "ULON ULAT time", "standard_name": f"{direction}_sea_ice_velocity"}
        ds[name] = (("time", "nj", "ni"), wave, attrs)
    source = read_grid(ds)
    from_file = source.faces.east_north.from_plane(*(on_faces(ds)[name].values for name in ("siu", "siv")))[0]
    expected = np.cos(np.radians(lon)) * np.cos(np.radians(5.0))  # mean of cosines half a cell apart
    np.testing.assert_allclose(from_file[0], expected.ravel()[source.faces.index], atol=1e-6)


@pytest.mark.parametrize("unit", ["radians", "degrees"])
def test_the_stored_angle_turns_the_drift(unit, caplog):
    """ROMS: east = u cos(angle) - v sin(angle); the meridians of this plane have a known direction."""
    ds = file_of("ROMS")
    x, y = points((NY, NX), 0, 0)
    lon = Proj(NEXTSIM_CRS)(x, y, inverse=True)[0]
    angle = -np.radians(lon + 45.0)  # from east to the x axis of the plane
    values = np.degrees(angle) if unit == "degrees" else angle
    ds["angle"] = (("eta_rho", "xi_rho"), values, {"units": unit})
    with caplog.at_level(logging.WARNING):
        source = read_grid(ds, NEXTSIM_CRS)
    assert "angle" not in caplog.text
    np.testing.assert_allclose(source.faces.axes.angle, 0.0, atol=1e-6)
    check(on_faces(ds))

    ds["angle"] = ds["angle"] + (30.0 if unit == "degrees" else 0.5)
    with caplog.at_level(logging.WARNING):
        source = read_grid(ds, NEXTSIM_CRS)
    assert "the angle of the grid in the file differs from the direction of its rows by 29 degrees" in caplog.text or (
        "by 30 degrees" in caplog.text
    )
    np.testing.assert_allclose(source.faces.axes.angle, 0.0, atol=1e-3)


def test_a_wind_read_record_by_record():
    """Forcing is read one record at a time, with the positions found once."""
    ds = file_of("MITgcm").rename(SIuice="u10", SIvice="v10")
    source = mesh_in_file(ds.isel(time=[0]))
    whole = on_faces(ds)
    for number in range(len(TIMES)):
        record = on_faces_of(source, ds.isel(time=[number]))
        for name in ("uas", "vas"):
            np.testing.assert_array_equal(record[name].values[0], whole[name].values[number])


def test_drift_alone_keeps_its_own_points():
    """A file with drift only: its points are the cells."""
    ds = file_of("CICE").drop_vars("aice")
    where = find_coordinates(ds)
    assert where.x.name == "ULON"
    store = on_faces(ds)
    np.testing.assert_allclose(store["siu"].values.ravel(), ds["uvel"].values.ravel(), atol=1e-5)


def roms_file_with_land(on_land):
    """A ROMS file of 108 cells, 45 of them land in its mask, with concentrations on some of the land."""
    ds = file_of("ROMS")
    mask = np.ones((NY, NX))
    mask[:, :5] = 0
    ds["mask_rho"] = (("eta_rho", "xi_rho"), mask)
    return ds.assign(aice=ds["aice"].where((ds["mask_rho"] == 1) | on_land(ds), 0.0))


def test_ice_on_some_of_the_land(caplog):
    """Interpolation leaves numbers on land; the mask decides, and a line says how many cells it leaves out."""
    ds = roms_file_with_land(lambda ds: ds["xi_rho"] == 4)
    with caplog.at_level(logging.WARNING):
        assert on_faces(ds).sizes["face"] == 63
    assert "the grid has 108 cells, of which 45 are land by 'mask_rho' and left out" in caplog.text


def test_ice_on_all_of_the_land(caplog):
    """Then the mask belongs to other fields: all cells are read, and a line says so."""
    ds = roms_file_with_land(lambda ds: ds["xi_rho"] < 5)
    with caplog.at_level(logging.WARNING):
        assert on_faces(ds).sizes["face"] == 108
    assert "'mask_rho' calls land: the mask is not used, the grid has 108 cells" in caplog.text


def test_zeros_on_land(caplog):
    ds = roms_file_with_land(lambda ds: ds["xi_rho"] < 0)
    with caplog.at_level(logging.WARNING):
        assert on_faces(ds).sizes["face"] == 63
    assert "calls land" not in caplog.text
    assert "land by" not in caplog.text
