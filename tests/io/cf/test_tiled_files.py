"""Files of tiles as ECCO and the GEOS write them: all tiles are joined, and what stays open is told."""

import logging

import numpy as np
import pytest
import xarray as xr
from support.tiled import cube, degrees_of, llc

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, open_store
from gensim_graph.io.cf import read_grid
from gensim_graph.mesh.operators import true_areas

SPHERE = 4 * np.pi * 6.371e6**2
TIMES = np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")


def ecco(n: int, corners: str) -> xr.Dataset:
    """A file of ECCO's native grid, with float32 coordinates; ``corners`` is none, XG or bounds."""
    centres, lattice = llc(n)
    dims = ("tile", "j", "i")
    ds = xr.Dataset(coords={"time": TIMES, "tile": np.arange(13), "j": np.arange(n), "i": np.arange(n)})
    for name, values, corner in zip("XY", degrees_of(centres), degrees_of(lattice), strict=True):
        standard = {"X": "longitude", "Y": "latitude"}[name]
        unit = {"X": "degrees_east", "Y": "degrees_north"}[name]
        attrs = {"standard_name": standard, "units": unit, "coordinate": "YC XC"}
        ds[f"{name}C"] = (dims, values.astype(np.float32), attrs)
        if corners == "XG":
            ds[f"{name}G"] = (("tile", "j_g", "i_g"), corner[:, :-1, :-1].astype(np.float32), attrs)
        if corners == "bounds":
            four = [corner[:, :-1, :-1], corner[:, :-1, 1:], corner[:, 1:, 1:], corner[:, 1:, :-1]]
            ds[f"{name}C_bnds"] = ((*dims, "nb"), np.stack(four, axis=-1).astype(np.float32))
            ds[f"{name}C"].attrs["bounds"] = f"{name}C_bnds"
    values = np.random.default_rng(0).uniform(0.1, 0.9, (2, 13, n, n)).astype(np.float32)
    ds["SIarea"] = (("time", *dims), values, {"units": "1", "coordinates": "YC XC"})
    return ds.set_coords(["XC", "YC"])


@pytest.mark.parametrize("corners", ["none", "XG", "bounds"])
def test_ecco(corners, tmp_path, caplog):
    n = 8
    ecco(n, corners).to_netcdf(tmp_path / "SEA_ICE_CONC_THICKNESS_day_mean.nc")
    with caplog.at_level(logging.WARNING):
        mesh = load_mesh(tmp_path / "SEA_ICE_CONC_THICKNESS_day_mean.nc")
    assert mesh.n_faces == 13 * n * n
    assert len(mesh.boundary_edges) == 4 * n  # around the Antarctic
    assert mesh.n_nodes - mesh.n_edges + mesh.n_faces == 1
    if corners != "bounds":
        assert f"{4 * n} edges of ocean cells on the rim of the tiles 0, 3, 9, 12" in caplog.text
    # A plane has curved sides, so that the sum of true areas is exact only in the limit.
    assert true_areas(mesh).sum() == pytest.approx(SPHERE * 5 / 6, rel=0.03)


def test_tiles_along_a_dimension_that_this_package_uses_too(tmp_path):
    """``face`` in files of xmitgcm."""
    ds = ecco(4, "none").rename(tile="face")
    ds.to_netcdf(tmp_path / "xmitgcm.nc")
    store = open_store(tmp_path / "xmitgcm.nc")
    np.testing.assert_array_equal(store["sic"].values, ds["SIarea"].values.reshape(2, -1))


def test_land_around_the_south_leaves_nothing_to_tell(caplog):
    ds = ecco(6, "XG")
    ds["SIarea"] = ds["SIarea"].where(ds["YC"] > -30)
    with caplog.at_level(logging.WARNING):
        mesh = read_grid(ds).mesh
    assert "rim of the tiles" not in caplog.text
    assert mesh.n_nodes - mesh.n_edges + mesh.n_faces == 1


def test_arctic_seams_hold_the_ice_together(tmp_path):
    """The ocean north of 60 N, of one cap and parts of four faces, is one piece with its values in place."""
    ds = ecco(10, "none")
    wet = ds["YC"].values > 40
    ds["SIarea"] = ds["SIarea"].where(ds["YC"] > 40)
    ds.to_netcdf(tmp_path / "arctic.nc")
    store = open_store(tmp_path / "arctic.nc")
    mesh = load_mesh(tmp_path / "arctic.nc")
    assert mesh.n_faces == wet.sum()
    assert mesh.n_nodes - mesh.n_edges + mesh.n_faces == 1
    np.testing.assert_array_equal(store["sic"].values, ds["SIarea"].values[:, wet])


@pytest.mark.parametrize("turns", [(0,) * 6, (2, 0, 1, 3, 1, 2)])
def test_geos_in_any_orientation(turns):
    n = 9
    centres, lattice = cube(n, turns)
    (lon, lat), (corner_lon, corner_lat) = degrees_of(centres), degrees_of(lattice)
    dims, wide = ("nf", "Ydim", "Xdim"), ("nf", "YCdim", "XCdim")
    ds = xr.Dataset(
        {
            "lons": (dims, lon % 360, {"units": "degrees_east"}), "lats": (dims, lat, {"units": "degrees_north"}),
            "corner_lons": (wide, corner_lon % 360), "corner_lats": (wide, corner_lat),
        }
    )  # fmt: skip
    for one in (ds, ds.drop_vars(["corner_lons", "corner_lats"])):
        mesh = read_grid(one).mesh
        lost = 6 * n * n - mesh.n_faces  # around the south pole
        assert lost in (1, 4)
        assert mesh.n_nodes - mesh.n_edges + mesh.n_faces == 1
        assert true_areas(mesh).sum() == pytest.approx(SPHERE * (1 - lost / (6 * n * n)), rel=0.02)


@pytest.mark.parametrize(("names", "axis"), [(("XC", "YC", "Y", "X"), 1), (("lons", "lats", "lat", "lon"), 0)])
def test_faces_in_one_array_are_separated_as_the_message_says(names, axis, tmp_path, monkeypatch):
    """The MITgcm writes cs32 as 32 x 192, side by side; the GEOS one face above the other."""
    n = 8
    centres, _ = cube(n)
    lon, lat, dims = names[0], names[1], names[2:]
    ds = xr.Dataset(coords={"time": TIMES})
    for name, values, unit in zip((lon, lat), degrees_of(centres), ("degrees_east", "degrees_north"), strict=True):
        ds = ds.assign_coords({name: (dims, np.concatenate(list(values), axis=axis), {"units": unit})})
    ice = np.random.default_rng(0).uniform(0.1, 0.9, (2, *ds[lon].shape)).astype(np.float32)
    ds["siconc"] = (("time", *dims), ice, {"units": "1"})
    ds.to_netcdf(tmp_path / "run.nc")
    for read in (load_mesh, open_store):
        with pytest.raises(InputError, match=f"six faces of a cubed sphere along '{dims[axis]}'") as error:
            read(tmp_path / "run.nc")
    monkeypatch.chdir(tmp_path)
    exec(str(error.value).partition("xarray: ")[2], {"ds": ds})
    mesh = load_mesh(tmp_path / "OUT.nc")
    assert mesh.n_faces == 6 * n * n - 4
    assert len(mesh.boundary_edges) == 8
    assert open_store(tmp_path / "OUT.nc").sizes["face"] == mesh.n_faces


def test_the_compact_form_of_an_llc_grid():
    """13 n rows of n columns, the last two faces transposed."""
    ds = ecco(6, "none")
    compact = {name: (("y", "x"), ds[name].values.reshape(78, 6), ds[name].attrs) for name in ("XC", "YC")}
    with pytest.raises(InputError, match=r"LLC grid in compact form.*llc_compact_to_tiles"):
        read_grid(xr.Dataset(compact))


def test_a_long_grid_is_no_cubed_sphere():
    """Six times as many columns as rows, without jumps."""
    lon, lat = np.meshgrid(np.arange(0, 300, 5.0), np.arange(60, 80, 2.0))
    ds = xr.Dataset({"nav_lon": (("y", "x"), lon), "nav_lat": (("y", "x"), lat + 0.01 * lon)})
    assert read_grid(ds).mesh.n_faces == lon.size
