"""Kinds of files that are not read: each is named, and its advice works where it is a line of Python."""

import re

import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, open_store

TIMES = np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")
LON, LAT = np.meshgrid(np.arange(0, 30, 5.0), np.arange(70, 80, 2.0))


def ice(dims, shape) -> xr.Variable:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(TIMES), *shape)).astype(np.float32)
    return xr.Variable(("time", *dims), values, {"units": "1"})


def triangles() -> np.ndarray:
    ny, nx = LON.shape
    first = (np.arange(ny - 1)[:, None] * nx + np.arange(nx - 1)).ravel()
    lower, upper = [first, first + 1, first + nx + 1], [first, first + nx + 1, first + nx]
    return np.concatenate([np.stack(lower, axis=1), np.stack(upper, axis=1)])


def fvcom(cartesian: bool = False) -> xr.Dataset:
    """Nodes in degrees and metres, triangles (three, nele) counted from 1, layers."""
    ds = xr.Dataset(coords={"time": TIMES})
    x, y = (LON.ravel() * 2e4, LAT.ravel() * 1e5)
    lon, lat = (np.zeros(LON.size),) * 2 if cartesian else (LON.ravel(), LAT.ravel())
    for name, values, unit in (("lon", lon, "degrees_east"), ("lat", lat, "degrees_north"), ("x", x, "meters"),
                               ("y", y, "meters")):  # fmt: skip
        ds[name] = ("node", values.astype(np.float32), {"units": unit})
    ds["nv"] = (("three", "nele"), triangles().T.astype(np.int32) + 1, {"long_name": "nodes surrounding element"})
    ds["siglay"] = (("siglay", "node"), np.zeros((3, LON.size), np.float32))
    ds["temp"] = (("time", "siglay", "node"), np.zeros((2, 3, LON.size), np.float32))
    return ds.assign(aice=ice(("node",), (LON.size,)))


def refused(path, pattern: str) -> str:
    """Both ways to read a file refuse it with the same words."""
    texts = []
    for read in (load_mesh, open_store):
        with pytest.raises(InputError, match=pattern) as error:
            read(path)
        texts.append(str(error.value))
    assert path.name in texts[0]
    return texts[0]


def followed(text: str, path, monkeypatch) -> None:
    """Run the lines of Python in a message, which write OUT.nc."""
    lines = text.partition("xarray: ")[2]
    lines = lines if lines.startswith("ds =") else f"ds = {lines}"
    monkeypatch.chdir(path.parent)
    exec(re.sub(r"\bFILE\b|'GRID\.nc'", repr(str(path)), lines), {"xr": xr})


@pytest.mark.parametrize("cartesian", [False, True])
def test_fvcom(cartesian, tmp_path, monkeypatch):
    fvcom(cartesian).to_netcdf(tmp_path / "fvcom.nc", encoding={"time": {"units": "days since 2010-01-01"}})
    text = refused(tmp_path / "fvcom.nc", "is FVCOM: the table 'nv' belongs to no mesh topology")
    followed(text, tmp_path / "fvcom.nc", monkeypatch)
    mesh = load_mesh(tmp_path / "OUT.nc")
    assert (mesh.n_faces, mesh.n_nodes) == (len(triangles()), LON.size)
    assert open_store(tmp_path / "OUT.nc").sizes["face"] == len(triangles())


@pytest.mark.parametrize(("name", "start"), [("element", 1), ("tri", 0), ("ikle", 1)])
def test_tables_of_triangles_without_a_topology(name, start, tmp_path, monkeypatch):
    """ADCIRC, TELEMAC and others."""
    ds = fvcom().drop_vars("nv").drop_dims("siglay")
    ds[name] = (("nelem", "nvertex"), triangles() + start)
    ds.to_netcdf(tmp_path / "run.nc")
    text = refused(tmp_path / "run.nc", f"the table '{name}' belongs to no mesh topology")
    followed(text, tmp_path / "run.nc", monkeypatch)
    assert load_mesh(tmp_path / "OUT.nc").n_faces == len(triangles())


def test_scrip(tmp_path, monkeypatch):
    corners = np.array([[-2.5, -1], [2.5, -1], [2.5, 1], [-2.5, 1]])
    ds = xr.Dataset({"grid_dims": ("grid_rank", np.array(LON.shape[::-1], np.int32))})
    for name, values, shift in (("lon", LON, corners[:, 0]), ("lat", LAT, corners[:, 1])):
        ds[f"grid_center_{name}"] = ("grid_size", values.ravel(), {"units": "degrees"})
        ds[f"grid_corner_{name}"] = (("grid_size", "grid_corners"), values.ravel()[:, None] + shift)
    ds["grid_imask"] = ("grid_size", np.ones(LON.size, np.int32))
    ds.to_netcdf(tmp_path / "scrip.nc")
    text = refused(tmp_path / "scrip.nc", "grid file of SCRIP")
    assert "cdo -f nc4 -setgrid,GRID.nc" in text
    followed(text, tmp_path / "scrip.nc", monkeypatch)
    mesh = load_mesh(tmp_path / "OUT.nc")
    assert (mesh.n_faces, mesh.n_nodes) == (LON.size, (LON.shape[0] + 1) * (LON.shape[1] + 1))


HEALPIX = {
    "grid mapping": lambda ds: ds.assign(crs=((), 0, {"grid_mapping_name": "healpix", "healpix_nside": 4,
                                                      "healpix_order": "nest"})),
    "global attribute": lambda ds: ds.assign_attrs(healpix_nside=4, healpix_order="ring"),
    "attribute of the field": lambda ds: ds.assign(siconc=ds["siconc"].assign_attrs(grid_type="healpix")),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEALPIX)
@pytest.mark.parametrize("dim", ["cell", "values"])
def test_healpix(kind, dim, tmp_path):
    ds = xr.Dataset({"siconc": ice((dim,), (12 * 4**2,))}, coords={"time": TIMES})
    HEALPIX[kind](ds).to_netcdf(tmp_path / "icon.nc")
    text = refused(tmp_path / "icon.nc", "on a HEALPix grid")
    assert "cdo -f nc4 -remapcon,global_0.25" in text


def test_data_interpolated_from_healpix_are_read():
    ds = xr.Dataset(
        {"siconc": ice(("lat", "lon"), LON.shape)},
        {"time": TIMES, "lat": ("lat", LAT[:, 0]), "lon": ("lon", LON[0])}, {"history": "cdo -remapcon from healpix"},
    )  # fmt: skip
    assert open_store(ds).sizes["face"] == LON.size


@pytest.mark.parametrize("dimension", [1, 3])
def test_networks_and_volumes(dimension, tmp_path):
    ds = xr.Dataset({"network": ((), 0, {"cf_role": "mesh_topology", "topology_dimension": dimension,
                                         "node_coordinates": "x y", "edge_node_connectivity": "edges"})})  # fmt: skip
    ds["x"], ds["y"] = ("nodes", np.arange(4) * 1e3, {"units": "m"}), ("nodes", np.zeros(4), {"units": "m"})
    ds["edges"] = (("nEdges", "Two"), np.array([[0, 1], [1, 2], [2, 3]]))
    ds.to_netcdf(tmp_path / "FlowFM_net.nc")
    refused(tmp_path / "FlowFM_net.nc", f"'network' is a topology of dimension {dimension}.*expected a topology of dim")


@pytest.mark.parametrize("dim", ["dg_comp", "dgcomp", "ndof"])
def test_discontinuous_galerkin(dim, tmp_path):
    ds = xr.Dataset({"siconc": ice(("y", "x", dim), (*LON.shape, 6))}, coords={"time": TIMES})
    ds = ds.assign_coords(
        lon=(("y", "x"), LON, {"units": "degrees_east"}), lat=(("y", "x"), LAT, {"units": "degrees_north"})
    )
    ds.to_netcdf(tmp_path / "dg2.nc")
    text = refused(tmp_path / "dg2.nc", f"6 coefficients for each cell along '{dim}'")
    assert f"ds.isel({dim}=0)" in text
    assert open_store(ds.isel({dim: 0})).sizes["face"] == LON.size


@pytest.mark.parametrize("dim", ["x", "ncol", "nod2"])
def test_points_without_cells(dim, tmp_path):
    ds = xr.Dataset({"siconc": ice((dim,), (LON.size,))}, coords={"time": TIMES})
    ds = ds.assign_coords(lon=(dim, LON.ravel(), {"units": "degrees_east"}), lat=(dim, LAT.ravel(), {"units":
                                                                                 "degrees_north"}))  # fmt: skip
    ds.to_netcdf(tmp_path / "points.nc")
    text = refused(tmp_path / "points.nc", "have centres but no corners")
    advice = text.partition("Python: ")[2].replace("FILE", repr(str(tmp_path / "points.nc")))
    names = {"np": np, "gg": gg, "ds": ds}
    exec(advice.replace("gg.open_store", "store = gg.open_store"), names)
    np.testing.assert_array_equal(names["store"]["sic"].values, ds["siconc"].values)
