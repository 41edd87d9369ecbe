"""Grids in the forms that ocean and ice models write: several coordinates, tiles, bounds in time, land without any."""

import logging

import numpy as np
import pytest
import xarray as xr
from pyproj import Proj

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, open_store
from gensim_graph.io.cf import on_faces, read_grid
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.mesh.operators import true_areas
from gensim_graph.mesh.planes import NEXTSIM_CRS

TIMES = np.datetime64("2010-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
NY, NX, STEP = 12, 16, 5e4


def lonlat(ny: int = NY, nx: int = NX, x0: float = 0.0, y0: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Points of a square grid beside the pole, shifted by fractions of a cell."""
    x, y = np.meshgrid((np.arange(nx) + x0 + 2) * STEP, (np.arange(ny) + y0 + 2) * STEP)
    return Proj(NEXTSIM_CRS)(x, y, inverse=True)


def degrees(names: tuple[str, str], dims, values, **attrs) -> dict[str, xr.Variable]:
    units = ("degrees_east", "degrees_north")
    return {
        name: xr.Variable(dims, part, {"units": unit, **attrs})
        for name, part, unit in zip(names, values, units, strict=True)
    }


def field(dims, shape, **attrs) -> xr.Variable:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(TIMES), *shape)).astype(np.float32)
    return xr.Variable(("time", *dims), values, {"units": "1", **attrs})


def counts(mesh) -> dict[str, int]:
    return {name: len(pairs) for name, pairs in mesh.boundaries.items()}


# Several pairs of longitude and latitude


def c_grid(name: str, points: dict[str, tuple[str, str, tuple[str, str], tuple[int, int]]], at: str) -> xr.Dataset:
    """A file with a pair for each kind of point, and one field at one of them.

    Args:
        name: name of the field.
        points: kind -> names of longitude and latitude, dimensions, and number of cells more (or fewer) than NY, NX.
        at: kind of the field.
    """
    ds = xr.Dataset(coords={"time": TIMES})
    for lon, lat, dims, (more_y, more_x) in points.values():
        ds = ds.assign(degrees((lon, lat), dims, lonlat(NY + more_y, NX + more_x, -0.5 * more_x, -0.5 * more_y)))
    _, _, dims, (more_y, more_x) = points[at]
    ds[name] = field(dims, (NY + more_y, NX + more_x))
    ds[name].attrs["coordinates"] = f"{points[at][1]} {points[at][0]} time"
    return ds


ROMS = {
    "psi": ("lon_psi", "lat_psi", ("eta_psi", "xi_psi"), (-1, -1)),
    "u": ("lon_u", "lat_u", ("eta_u", "xi_u"), (0, -1)),
    "v": ("lon_v", "lat_v", ("eta_v", "xi_v"), (-1, 0)),
    "rho": ("lon_rho", "lat_rho", ("eta_rho", "xi_rho"), (0, 0)),
}
ROMS_SAME_SIZE = {key: (*row[:3], (0, 0)) for key, row in ROMS.items()}  # as ROMS-tools and subsets write them
XIOS = {
    "U": ("nav_lon_grid_U", "nav_lat_grid_U", ("y_grid_U", "x_grid_U"), (0, 0)),
    "V": ("nav_lon_grid_V", "nav_lat_grid_V", ("y_grid_V", "x_grid_V"), (0, 0)),
    "T": ("nav_lon_grid_T", "nav_lat_grid_T", ("y_grid_T", "x_grid_T"), (0, 0)),
}
CICE = {
    "U": ("ULON", "ULAT", ("nj", "ni"), (0, 0)),
    "T": ("TLON", "TLAT", ("nj", "ni"), (0, 0)),
}
MOM6 = {
    "q": ("geolon_c", "geolat_c", ("yq", "xq"), (1, 1)),
    "u": ("geolon_u", "geolat_u", ("yh", "xq"), (0, 1)),
    "v": ("geolon_v", "geolat_v", ("yq", "xh"), (1, 0)),
    "h": ("geolon", "geolat", ("yh", "xh"), (0, 0)),
}
HYCOM = {
    "u": ("ulon", "ulat", ("Yu", "Xu"), (0, 0)),
    "p": ("plon", "plat", ("Y", "X"), (0, 0)),
}


@pytest.mark.parametrize("order", ["as written", "reversed"])
@pytest.mark.parametrize(
    ("points", "at", "name"),
    [
        (ROMS, "rho", "aice"),
        (ROMS_SAME_SIZE, "rho", "aice"),
        (XIOS, "T", "siconc"),
        (XIOS, "V", "siconc"),
        (CICE, "T", "aice"),
        (CICE, "U", "aice"),
        (MOM6, "h", "siconc"),
        (HYCOM, "p", "siconc"),
    ],
)
def test_the_pair_that_the_field_lies_on(points, at, name, order, tmp_path):
    """The attribute ``coordinates`` decides, whatever the order of the variables."""
    ds = c_grid(name, points, at)
    ds = ds if order == "as written" else ds[list(ds.data_vars)[::-1]]
    ds.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as stored:
        where = find_coordinates(stored)
    assert (where.x.name, where.y.name) == points[at][:2]
    more_y, more_x = points[at][3]
    assert open_store(tmp_path / "run.nc").sizes["face"] == (NY + more_y) * (NX + more_x)


@pytest.mark.parametrize("points", [ROMS, XIOS, MOM6, HYCOM])
def test_dimensions_decide_without_the_attribute(points):
    kind = list(points)[-1]
    ds = c_grid("siconc", points, kind)
    del ds["siconc"].attrs["coordinates"]
    assert find_coordinates(ds).x.name == points[kind][0]


def test_coordinates_without_values_are_not_used():
    ds = c_grid("aice", ROMS, "rho").drop_vars("aice")
    ds["lon_psi"][:] = np.nan
    assert find_coordinates(ds).x.name == "lon_rho"
    renamed = ds.rename(lon_rho="longitude_of_cells", lat_rho="latitude_of_cells")
    assert np.isfinite(find_coordinates(renamed).x.values).all()


def test_cell_centres_of_roms_with_its_mask():
    """No field of ice: the rho points are taken for their name, with their mask."""
    ds = c_grid("aice", ROMS, "rho").drop_vars("aice")
    mask = np.ones((NY, NX))
    mask[3:5, 4:9] = 0
    ds["mask_rho"] = (("eta_rho", "xi_rho"), mask)
    ds["mask_u"] = (("eta_u", "xi_u"), np.ones((NY, NX - 1)))
    assert read_grid(ds).mesh.n_faces == mask.sum()


def test_a_mask_of_other_points_is_told(caplog):
    ds = c_grid("aice", ROMS, "rho")
    ds["mask"] = (("eta_u", "xi_u"), np.ones((NY, NX - 1)))
    with caplog.at_level(logging.WARNING):
        on_faces(ds)
    assert "mask 'mask' is not on the cells (eta_rho, xi_rho)" in caplog.text


def test_drift_on_another_grid_is_told(caplog):
    """Twice as fine: no sides or corners of the cells."""
    ds = c_grid("aice", ROMS, "rho")
    for name in ("uice", "vice"):
        ds[name] = field(("eta_fine", "xi_fine"), (2 * NY, 2 * NX), units="meter second-1")
    with caplog.at_level(logging.WARNING):
        store = on_faces(ds)
    assert "siu" not in store
    assert "'uice' (time, eta_fine, xi_fine), 'vice' (time, eta_fine, xi_fine)" in caplog.text


def test_roms_on_a_plane_has_zeros_as_degrees():
    """An idealised domain: lon_rho and lat_rho are 0, x_rho and y_rho are metres."""
    ds = c_grid("aice", ROMS, "rho")
    x, y = np.meshgrid(np.arange(NX) * STEP, np.arange(NY) * STEP)
    for name, values in (("x_rho", x), ("y_rho", y)):
        ds[name] = (("eta_rho", "xi_rho"), values, {"units": "meter"})
    for name in ("lon_rho", "lat_rho"):
        ds[name] = ds[name] * 0
    ds["aice"].attrs["coordinates"] = "x_rho y_rho"
    mesh = read_grid(ds).mesh
    np.testing.assert_allclose(mesh.areas, STEP**2)
    assert mesh.crs is None


# Tiles


def cubed_sphere(n: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centres (6, n, n) and corners (6, n + 1, n + 1) of a gnomonic equiangular cubed sphere, in degrees."""
    axes = np.array(
        [
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
            [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
        ]
    )  # fmt: skip
    result = []
    for points in (np.arange(n) + 0.5, np.arange(n + 1)):
        a, b = np.meshgrid(np.tan(np.pi / 4 * (2 * points / n - 1)), np.tan(np.pi / 4 * (2 * points / n - 1)))
        ones = np.ones_like(a)
        vectors = np.einsum("tkc,kij->tijc", axes, np.stack([ones, a, b]))
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        result += [np.degrees(np.arctan2(vectors[..., 1], vectors[..., 0])), np.degrees(np.arcsin(vectors[..., 2]))]
    return tuple(result)


def corners_of(lattice: np.ndarray) -> np.ndarray:
    """(tile, n + 1, n + 1) -> (tile, n, n, 4)."""
    parts = (lattice[:, :-1, :-1], lattice[:, :-1, 1:], lattice[:, 1:, 1:], lattice[:, 1:, :-1])
    return np.stack(parts, axis=-1)


TILE_NAMES = [
    ("tile", "j", "i", "XC", "YC"),
    ("face", "j", "i", "XC", "YC"),
    ("nf", "Ydim", "Xdim", "lons", "lats"),
    ("tile", "grid_yt", "grid_xt", "grid_lont", "grid_latt"),
    ("ntile", "y", "x", "longitude", "latitude"),
    ("ncube", "lat_index", "lon_index", "lon", "lat"),
]


@pytest.mark.parametrize("corners", ["centres only", "lattice", "bounds"])
@pytest.mark.parametrize("names", TILE_NAMES)
def test_all_tiles_of_a_cubed_sphere(names, corners):
    """All six faces are read and joined; the mesh is open only around the south pole, which the plane cannot show."""
    n = 8
    dims, (lon, lat) = names[:3], names[3:]
    values = cubed_sphere(n)
    ds = xr.Dataset(degrees((lon, lat), dims, values[:2]), coords={"time": TIMES})
    if corners == "lattice":
        ds = ds.assign(degrees(("corner_lons", "corner_lats"), (dims[0], "YC1", "XC1"), values[2:]))
    if corners == "bounds":
        for name, lattice in ((lon, values[2]), (lat, values[3])):
            ds[f"{name}_bnds"] = ((*dims, "nb"), corners_of(lattice))
            ds[name].attrs["bounds"] = f"{name}_bnds"
    ds["siconc"] = field(dims, (6, n, n), coordinates=f"{lat} {lon}")
    grid = read_grid(ds)
    assert grid.mesh.n_faces == 6 * n * n - 4
    assert counts(grid.mesh) == {"open": 8}
    assert grid.faces.dims == dims
    sphere = 4 * np.pi * 6.371e6**2
    assert true_areas(grid.mesh).sum() == pytest.approx(sphere * (1 - 4 / (6 * n * n)), rel=0.02)
    store = on_faces(ds)
    np.testing.assert_array_equal(store["sic"].values, ds["siconc"].values.reshape(3, -1)[:, grid.faces.index])


def test_land_in_tiles_is_coast():
    n = 8
    lon, lat, _, _ = cubed_sphere(n)
    ds = xr.Dataset(degrees(("XC", "YC"), ("tile", "j", "i"), (lon, lat)), coords={"time": TIMES})
    wet = lat > 20
    wet[4, 2:4, 2:5] = False
    ds["SIarea"] = field(("tile", "j", "i"), lon.shape).where(wet)
    mesh = read_grid(ds).mesh
    assert mesh.n_faces == wet.sum()
    assert set(mesh.boundaries) == {"coast"}


def test_vectors_along_the_axes_of_tiles():
    """A wind along the x axis of each tile keeps its speed, and has the direction of the tile's rows."""
    n = 8
    lon, lat, _, _ = cubed_sphere(n)
    ds = xr.Dataset(degrees(("XC", "YC"), ("tile", "j", "i"), (lon, lat)), coords={"time": TIMES})
    ds["SIarea"] = field(("tile", "j", "i"), lon.shape)
    for name, value in (("SIuice", 0.1), ("SIvice", 0.0)):
        ds[name] = xr.full_like(ds["SIarea"], value).assign_attrs(units="m/s")
    store = on_faces(ds)
    np.testing.assert_allclose(np.hypot(store["siu"], store["siv"]), 0.1, rtol=1e-5)
    assert np.ptp(np.arctan2(store["siv"].values[0], store["siu"].values[0])) > 1


def test_tiles_in_metres_are_refused_by_name():
    x = np.random.default_rng(0).uniform(size=(6, 4, 4))
    ds = xr.Dataset({name: (("tile", "j", "i"), x, {"units": "m"}) for name in ("x", "y")})
    with pytest.raises(InputError, match="tiles along 'tile'"):
        read_grid(ds)


# Bounds and coordinates with a dimension of time


def cells_with_bounds(one_dimensional: bool = False) -> xr.Dataset:
    if one_dimensional:
        lat, lon = np.arange(70.5, 85), np.arange(2.0, 360, 4)
        ds = xr.Dataset(coords={"lat": ("lat", lat), "lon": ("lon", lon)})
        ds["lat_bnds"] = (("lat", "nv"), np.stack([lat - 0.5, lat + 0.5], axis=1))
        ds["lon_bnds"] = (("lon", "nv"), np.stack([lon - 2.0, lon + 2.0], axis=1))
        return ds.assign(siconc=field(("lat", "lon"), (15, 90))).assign_coords(time=TIMES)

    lon, lat = lonlat()
    wide = [part[None] for part in lonlat(NY + 1, NX + 1, -0.5, -0.5)]
    ds = xr.Dataset(degrees(("longitude", "latitude"), ("j", "i"), (lon, lat)), coords={"time": TIMES})
    for axis, lattice in zip(("longitude", "latitude"), wide, strict=True):
        ds[f"vertices_{axis}"] = (("j", "i", "vertices"), corners_of(lattice)[0])
        ds[axis].attrs["bounds"] = f"vertices_{axis}"
    return ds.assign(siconc=field(("j", "i"), (NY, NX)))


def repeated(ds: xr.Dataset, names: list[str], dim: str = "time", size: int = 3) -> xr.Dataset:
    return ds.assign({name: ds[name].expand_dims({dim: size}) for name in names})


BOUNDS_2D, BOUNDS_1D = ["vertices_longitude", "vertices_latitude"], ["lon_bnds", "lat_bnds"]


@pytest.mark.parametrize("dim", ["time", "time_counter", "ocean_time", "Time", "record", "member"])
@pytest.mark.parametrize("one_dimensional", [True, False])
def test_bounds_with_time(one_dimensional, dim):
    ds = cells_with_bounds(one_dimensional)
    expected = read_grid(ds).mesh
    names = BOUNDS_1D if one_dimensional else BOUNDS_2D
    assert read_grid(repeated(ds, names, dim)).mesh.hash == expected.hash
    assert read_grid(repeated(ds, names[:1], dim)).mesh.hash == expected.hash


def test_all_of_a_joined_file_repeats():
    """``concat(data_vars="all", coords="all")``: coordinates and bounds have the time too."""
    ds = cells_with_bounds()
    joined = repeated(ds, [*BOUNDS_2D, "longitude", "latitude"])
    assert read_grid(joined).mesh.hash == read_grid(ds).mesh.hash
    store = on_faces(joined)
    assert store["sic"].shape == (3, NY * NX)


def test_bounds_in_another_order():
    """POP and CICE put the corners first."""
    ds = cells_with_bounds()
    turned = ds.assign({name: ds[name].transpose("vertices", "j", "i") for name in BOUNDS_2D})
    assert read_grid(turned).mesh.hash == read_grid(ds).mesh.hash


@pytest.mark.parametrize("one_dimensional", [True, False])
def test_bounds_that_change_are_not_used(one_dimensional, caplog):
    ds = cells_with_bounds(one_dimensional)
    names = BOUNDS_1D if one_dimensional else BOUNDS_2D
    moving = repeated(ds, names)
    moving[names[1]] = moving[names[1]] + xr.DataArray([0.0, 0.1, 0.2], dims="time")
    with caplog.at_level(logging.WARNING):
        mesh = read_grid(moving).mesh
    assert f"'{names[1]}' change along 'time'" in caplog.text
    assert mesh.hash == read_grid(ds.drop_vars(names)).mesh.hash


def test_a_grid_that_moves_is_refused():
    ds = repeated(cells_with_bounds().drop_vars(BOUNDS_2D), ["longitude", "latitude"])
    ds["longitude"] = ds["longitude"] + xr.DataArray([0.0, 1.0, 2.0], dims="time")
    with pytest.raises(InputError, match="'longitude' changes along 'time'"):
        read_grid(ds)


# Land without coordinates

FILLS = [(0.0, 0.0), (-1.0, -1.0), (np.nan, np.nan), (1e20, 1e20), (-999.0, -999.0), (9999.0, 9999.0), (-180.0, -90.0),
         (0.0, -90.0), (999.0, 0.0), (1.0, 1.0), (0.0, 90.0)]  # fmt: skip


def ocean_beside_land(fill, ring: int = 1, bare: int = 5) -> xr.Dataset:
    """Land in a corner of the grid; ``bare`` rows of it have no coordinates, ``ring`` cells next to the ocean have."""
    lon, lat = lonlat()
    land = np.zeros((NY, NX), dtype=bool)
    land[: bare + ring, : bare + ring] = True
    lon[:bare, :bare], lat[:bare, :bare] = fill
    ds = xr.Dataset(degrees(("nav_lon", "nav_lat"), ("y", "x"), (lon, lat)), coords={"time": TIMES})
    ds["siconc"] = field(("y", "x"), (NY, NX)).where(~land)
    return ds


@pytest.mark.parametrize("fill", FILLS)
def test_coast_next_to_land_and_open_on_the_rim(fill):
    mesh = read_grid(ocean_beside_land(fill)).mesh
    assert mesh.n_faces == NY * NX - 36
    assert counts(mesh) == {"coast": 12, "open": 2 * (NY + NX) - 12}


@pytest.mark.parametrize("fill", FILLS)
def test_ocean_cells_without_corners_are_named(fill, tmp_path):
    """Land without coordinates up to the coast: the message says what is missing, and does not advise a repair."""
    ds = ocean_beside_land(fill, ring=0)
    ds.to_netcdf(tmp_path / "nemo.nc")
    for repair in (False, True):
        with pytest.raises(InputError, match="have no coordinates at one of their corners") as error:
            load_mesh(tmp_path / "nemo.nc", repair=repair)
        assert "repair" not in str(error.value)


@pytest.mark.parametrize("fill", [(0.0, 0.0), (-1.0, -1.0), (35.0, -60.0)])
def test_a_single_cell_without_coordinates(fill):
    """One cell of land in a wrong position does not tear the ocean around it."""
    ds = ocean_beside_land((np.nan, np.nan))
    land = np.zeros((NY, NX), dtype=bool)
    land[6:9, 8:11] = True
    ds["siconc"] = ds["siconc"].where(~land)
    ds["nav_lon"][7, 9], ds["nav_lat"][7, 9] = fill
    mesh = read_grid(ds).mesh
    assert mesh.n_faces == NY * NX - 36 - 9
    assert counts(mesh) == {"coast": 12 + 12, "open": 2 * (NY + NX) - 12}


@pytest.mark.parametrize("fill", [(np.nan, np.nan), (1e20, 1e20), (0.0, 0.0), (-1.0, -1.0)])
def test_land_without_corners_of_its_own(fill):
    """Cells with corners of their own; land has neither centres nor corners."""
    ds = cells_with_bounds()
    for axis, value in zip(("longitude", "latitude"), fill, strict=True):
        ds[axis][:5, :5] = value
        ds[f"vertices_{axis}"][:5, :5] = value
    ds["siconc"][:, :5, :5] = np.nan
    mesh = read_grid(ds).mesh
    assert mesh.n_faces == NY * NX - 25
    assert counts(mesh) == {"coast": 10, "open": 2 * (NY + NX) - 10}


def test_inverted_cells_of_a_grid_do_not_advise_a_repair(tmp_path):
    """Readers of grids do not repair, so that no message may send the user there."""
    ds = cells_with_bounds()
    for axis in ("longitude", "latitude"):
        ds[f"vertices_{axis}"][4, 4] = ds[f"vertices_{axis}"][4, 4].values[::-1]
    ds.to_netcdf(tmp_path / "grid.nc")
    for repair in (False, True):
        with pytest.raises(InputError, match="inverted") as error:
            load_mesh(tmp_path / "grid.nc", repair=repair)
        assert "repair" not in str(error.value)


# Units of length


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("m", 1), ("km", 1e3), ("meters", 1), ("Kilometers", 1e3), ("1000 m", 1e3), ("100 km", 1e5), ("cm", 0.01),
     ("1000 meter", 1e3)],
)  # fmt: skip
def test_lengths_in_any_spelling(unit, factor):
    ds = xr.Dataset(coords={name: (name, np.arange(4) * 1e6 / factor, {"units": unit}) for name in ("x", "y")})
    np.testing.assert_allclose(read_grid(ds).mesh.areas, 1e12)


def test_an_unknown_unit_of_length_is_refused():
    attrs = {"units": "cells", "standard_name": "projection_{}_coordinate"}
    ds = xr.Dataset(
        coords={
            name: (name, np.arange(4.0), attrs | {"standard_name": f"projection_{name}_coordinate"}) for name in "xy"
        }
    )
    with pytest.raises(InputError, match="'x' is in 'cells'"):
        read_grid(ds)
