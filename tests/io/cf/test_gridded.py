"""Trajectories on grids: values, land, time, and vectors that give the exact drift and deformation after reading."""

import numpy as np
import pytest
import xarray as xr
import zarr
from pyproj import CRS, Proj
from support.grids import TIMES, UNITS, gensim_store, plane_grid
from support.tripolar import tripolar

from gensim_graph.errors import InputError
from gensim_graph.io import find_format, mesh_from_dataset, open_store
from gensim_graph.io.cf import on_faces, read_grid
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.mesh.planes import NEXTSIM_CRS, unproject

BOUNDS = {"sit": (0, np.inf), "sic": (0, 1)}


def saved(folder, ds: xr.Dataset, name: str = "run.nc"):
    ds.to_netcdf(folder / name)
    return folder / name


def test_values_stay_with_their_cells(tmp_path):
    ds = plane_grid()
    store = open_store(saved(tmp_path, ds))
    ocean = ds["mask"].values == 1
    assert store.sizes["face"] == ocean.sum()
    for name in UNITS:
        np.testing.assert_array_equal(store[name].values, ds[name].values[:, ocean])
    np.testing.assert_array_equal(store["time"].values, TIMES)


def test_land_is_found_without_a_mask(tmp_path):
    ds = plane_grid()
    one, other = (open_store(saved(tmp_path, part, f"{n}.nc")) for n, part in enumerate((ds, ds.drop_vars("mask"))))
    assert mesh_from_dataset(one).hash == mesh_from_dataset(other).hash
    np.testing.assert_array_equal(one["sit"].values, other["sit"].values)


def test_drift_is_zero_where_the_model_writes_gaps_for_open_water(tmp_path):
    ds = plane_grid()
    ds["sic"][1, 0, :4] = 0
    for name in ("siu", "siv"):
        ds[name][1, 0, :4] = np.nan
    assert (open_store(saved(tmp_path, ds))["siu"].values[1, :4] == 0).all()
    ds["siu"][1, 0, 5] = np.nan
    with pytest.raises(InputError, match="missing"):
        open_store(saved(tmp_path, ds, "gap.nc"))


def test_fill_values_become_gaps(tmp_path):
    ds = plane_grid().drop_vars("mask")
    for name in UNITS:
        ds[name].encoding["_FillValue"] = np.float32(-1e14)
    assert open_store(saved(tmp_path, ds)).sizes["face"] == 12 * 16 - 8


# Vectors


FLOWS = {
    "solid-body rotation": ((0.0, -1e-6, 1e-6, 0.0), (0.0, 0.0)),
    "pure strain": ((2e-7, 1e-6, 1e-6, -2e-7), (0.0, 2 * np.hypot(2e-7, 1e-6))),
}


def flow_on(mesh_points: np.ndarray, flow: str) -> tuple[np.ndarray, np.ndarray]:
    u_x, u_y, v_x, v_y = FLOWS[flow][0]
    x, y = mesh_points.T
    return u_x * x + u_y * y, v_x * x + v_y * y


def rotated(cells: int = 41) -> xr.Dataset:
    """A rotated grid over the pole, its x axis along 90 E there."""
    axis = np.linspace(-8, 8, cells)
    ds = xr.Dataset(coords={"time": TIMES[:1], "rlon": ("rlon", axis), "rlat": ("rlat", axis)})
    ds["rotated_pole"] = xr.Variable((), 0, {
        "grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 0.0,
        "grid_north_pole_longitude": 180.0,
    })  # fmt: skip
    return ds


def regular(cells: int = 41) -> xr.Dataset:
    """Longitudes and latitudes around the pole."""
    return xr.Dataset(
        coords={"time": TIMES[:1], "lat": ("lat", np.linspace(70.5, 89.5, 20)), "lon": ("lon", np.arange(2.5, 360, 5))}
    )


def folded() -> xr.Dataset:
    ds = tripolar(ny=40, nx=160, rows=1, columns=2).drop_vars(["glamf", "gphif"]).assign_coords(time=TIMES[:1])
    return ds.assign(tmask=ds["tmask"].where(ds["nav_lat"] > 50, 0))


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("make", [rotated, regular, folded])
@pytest.mark.parametrize("frame", ["east and north", "axes of the grid"])
def test_vectors_of_every_frame_give_the_exact_drift(flow, make, frame, tmp_path):
    """A linear drift in the plane is written along the axes of the file, by geometry on the globe, and read exactly."""
    ds = make()
    grid = read_grid(ds, NEXTSIM_CRS)
    mesh = grid.mesh
    points = places(ds, grid)
    u, v = flow_on(points, flow)
    lon = np.degrees(lonlat_of(points))[0]
    turn = np.radians(lon + 45.0)  # direction of east in this plane
    east, north = u * np.cos(turn) + v * np.sin(turn), -u * np.sin(turn) + v * np.cos(turn)
    names = ("eastward_sea_ice_velocity", "northward_sea_ice_velocity")
    if frame == "axes of the grid":
        names = ("sea_ice_x_velocity", "sea_ice_y_velocity")
        if make is not regular:  # a regular grid has east and north only
            angle = angle_of_x(ds, grid, make)
            east, north = u * np.cos(angle) + v * np.sin(angle), -u * np.sin(angle) + v * np.cos(angle)
    shape = mesh.grid_shape
    for name, values, standard in zip(("siu", "siv"), (east, north), names, strict=True):
        whole = np.full(shape[0] * shape[1], np.nan)
        whole[mesh.grid_index] = values
        ds[name] = (("time", *grid.faces.dims), whole.reshape(1, *shape), {"units": "m s-1", "standard_name": standard})
    store = on_faces(ds, Mesh.from_faces(mesh.nodes, mesh.faces, NEXTSIM_CRS))
    speed = np.hypot(u, v).max()
    np.testing.assert_allclose(store["siu"].values[0], u, atol=1e-9 * speed)
    np.testing.assert_allclose(store["siv"].values[0], v, atol=1e-9 * speed)
    # After moving the values from the centres of the file to those of the faces, the derivatives are exact.
    off = flow_on(mesh.centres - points, flow)
    found = compute_deformation(mesh, store["siu"].values[0] + off[0], store["siv"].values[0] + off[1])
    inner = np.setdiff1d(np.arange(mesh.n_faces), mesh.boundary_faces)
    scale = np.abs(FLOWS[flow][0]).max()
    np.testing.assert_allclose(found.divergence[inner], FLOWS[flow][1][0], atol=1e-7 * scale)
    np.testing.assert_allclose(found.shear[inner], FLOWS[flow][1][1], atol=1e-7 * scale)


def test_axes_of_a_bent_grid_are_of_second_order():
    """Grid lines of a conformal map: their direction is known in closed form from longitude and latitude."""
    errors = []
    for cells in (16, 32, 64):
        along = np.linspace(-1, 1, cells)
        w = along + 1j * along[:, None]
        z = 1e6 * (w + 0.15 * w**2)
        lon, lat = Proj(NEXTSIM_CRS)(z.real, z.imag, inverse=True)
        grid = read_grid(xr.Dataset({"nav_lon": (("y", "x"), lon), "nav_lat": (("y", "x"), lat)}), NEXTSIM_CRS)
        turn = np.angle((1 + 0.3 * w).ravel() / np.exp(1j * grid.faces.axes.angle))
        inner = np.setdiff1d(np.arange(grid.mesh.n_faces), grid.mesh.boundary_faces)
        errors.append(np.abs(turn[inner]).max())
    assert errors[-1] < 1e-4
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.8).all()


def places(ds: xr.Dataset, grid) -> np.ndarray:
    """Cell centres of the file in the plane, computed by pyproj only."""
    if "nav_lon" in ds:
        lon, lat = ds["nav_lon"].values, ds["nav_lat"].values
    elif "lon" in ds:
        lon, lat = np.meshgrid(ds["lon"], ds["lat"])
    else:
        a, b = np.radians(np.meshgrid(ds["rlon"], ds["rlat"]))
        vector = np.stack([-np.sin(b), np.cos(b) * np.sin(a), np.cos(b) * np.cos(a)])
        lon, lat = np.degrees(np.arctan2(vector[1], vector[0])), np.degrees(np.arcsin(vector[2]))
    return np.stack(Proj(NEXTSIM_CRS)(lon, lat), axis=-1).reshape(-1, 2)[grid.mesh.grid_index]


def lonlat_of(points: np.ndarray) -> np.ndarray:
    return np.radians(Proj(NEXTSIM_CRS)(*points.T, inverse=True))


def angle_of_x(ds: xr.Dataset, grid, make) -> np.ndarray:
    """Direction of the grid's x axis in the plane, from the analytic tangent of its lines."""
    vectors = unproject(places(ds, grid), NEXTSIM_CRS)
    if make is rotated:  # the meridians of the rotated globe turn about the axis (-1, 0, 0)
        tangent = np.cross([-1.0, 0.0, 0.0], vectors)
    else:  # x runs along the meridians of a globe whose axis is (1, 0, 0), back on the other side
        column = grid.mesh.grid_index % 162 % 160
        tangent = np.where(column < 80, 1.0, -1.0)[:, None] * (np.array([1.0, 0, 0]) - vectors[:, :1] * vectors)
    lon = np.arctan2(vectors[:, 1], vectors[:, 0])
    zero = np.zeros_like(lon)
    east = np.stack([-np.sin(lon), np.cos(lon), zero], axis=1)
    north = np.cross(vectors, east)
    along_east, along_north = (tangent * east).sum(axis=1), (tangent * north).sum(axis=1)
    return np.arctan2(along_north, along_east) + lon + np.radians(45.0)


def test_east_without_a_plane_is_refused(tmp_path):
    ds = plane_grid()
    ds["siu"].attrs["standard_name"] = "eastward_sea_ice_velocity"
    with pytest.raises(InputError, match=r"run\.nc: 'siu' points east"):
        open_store(saved(tmp_path, ds))


def test_a_lone_component_is_refused(tmp_path):
    with pytest.raises(InputError, match="other component 'siv'"):
        open_store(saved(tmp_path, plane_grid().drop_vars("siv")))


def test_time_must_have_dates(tmp_path):
    with pytest.raises(InputError, match="no coordinate"):
        open_store(saved(tmp_path, plane_grid().drop_vars("time")))


def test_nemo_calls_time_otherwise(tmp_path):
    store = open_store(saved(tmp_path, plane_grid().rename(time="time_counter")))
    np.testing.assert_array_equal(store["time"].values, TIMES)


# Genuine files


def test_every_nextsimdg_file(shared_data):
    files = sorted((shared_data / "nextsimdg").glob("*.nc"))
    assert len(files) == 8
    for file in files:
        with xr.open_dataset(file) as ds:
            ocean = ds["mask"].values == 1
            store = open_store(file)
            assert store.sizes["face"] == ocean.sum()
            np.testing.assert_array_equal(store["time"].values, ds["time"].values)
            for name in ("sit", "sic", "siu", "siv", "uas", "vas"):
                low, high = BOUNDS.get(name, (-np.inf, np.inf))  # neXtSIM-DG exceeds the bounds by rounding
                expected = np.clip(ds[name].values[:, ocean], low, high)
                np.testing.assert_array_equal(store[name].values, expected, err_msg=name)
            mesh = mesh_from_dataset(store)
            assert mesh.areas.sum() == pytest.approx(ocean.sum() * ds.attrs["dx_m"] ** 2, rel=1e-6)
            assert len(mesh.boundary_edges) == len(mesh.boundaries["coast"])


# GenSIM


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("times", [True, False])
def test_gensim_training_data(tmp_path, packed, times):
    ds, path = gensim_store(tmp_path, packed, times)
    assert find_format(path).name.startswith("GenSIM")
    store = open_store(path)
    mask = ds["mask"].values == 1
    for name in ("sit", "sic", "siu", "siv"):
        np.testing.assert_array_equal(store[name].values, ds[name].values[:, mask])
    year = "2010" if times else "2000"
    expected = np.datetime64(f"{year}-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
    np.testing.assert_array_equal(store["time"].values, expected)


def test_gensim_with_longitude_and_latitude(tmp_path):
    """Longitude and latitude as in GenSIM's own auxiliary file: the grid gets a plane, vectors lie along its axes."""
    _, path = gensim_store(tmp_path, True)
    auxiliary = tmp_path / "auxiliary" / "ds_auxiliary.nc"
    with xr.open_dataset(auxiliary) as ds:
        ds.load()
    turn = np.radians(30.0)
    a, b = ds["x_coord"], ds["y_coord"]
    x, y = a * np.cos(turn) - b * np.sin(turn), a * np.sin(turn) + b * np.cos(turn)
    lon, lat = Proj(NEXTSIM_CRS)(x.values + 3e5, y.values, inverse=True)
    ds.assign(longitude=(("y", "x"), lon), latitude=(("y", "x"), lat)).to_netcdf(auxiliary)
    store = open_store(path)
    mesh = mesh_from_dataset(store)
    assert mesh.crs == NEXTSIM_CRS
    mask = ds["mask"].values == 1
    np.testing.assert_allclose(mesh.centres, np.stack([x.values[mask] + 3e5, y.values[mask]], axis=1), atol=0.5)
    u, v = (zarr.open_group(path)["datacube"][:, number] for number in (3, 0))
    # A line of this grid is straight in the plane, a little bent on the globe.
    np.testing.assert_allclose(store["siu"].values, u * np.cos(turn) - v * np.sin(turn), atol=3e-5)
    np.testing.assert_allclose(store["siv"].values, u * np.sin(turn) + v * np.cos(turn), atol=3e-5)


def test_more_data_than_memory(tmp_path, monkeypatch):
    _, path = gensim_store(tmp_path, True)
    monkeypatch.setattr("os.sysconf", lambda name: 16)
    with pytest.raises(InputError, match=r"3 records need 0 GiB of memory.*shorter period"):
        open_store(path)


def test_gensim_without_its_auxiliary_file(tmp_path):
    _, path = gensim_store(tmp_path, True)
    (tmp_path / "auxiliary" / "ds_auxiliary.nc").unlink()
    with pytest.raises(InputError, match=r"train\.zarr: needs ds_auxiliary\.nc"):
        open_store(path)


def test_gensim_with_too_few_names(tmp_path):
    _, path = gensim_store(tmp_path, True)
    del zarr.open_group(path)["var_names"]
    zarr.open_group(path).create_array("var_names", data=np.array(["sit"]))
    with pytest.raises(InputError, match="1 names"):
        open_store(path)


def test_projected_grids_keep_their_plane(tmp_path):
    ds = plane_grid()
    ds["polar"] = xr.Variable((), 0, CRS(3413).to_cf())
    assert mesh_from_dataset(open_store(saved(tmp_path, ds))).crs == CRS(3413)
