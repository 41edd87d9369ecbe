"""Trajectories that other programs write on UGRID meshes, cells with corners and MPAS: names, units and vectors."""

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Geod, Proj, Transformer
from support.meshes import jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset, mesh_to_dataset, open_store
from gensim_graph.io.cf import on_faces
from gensim_graph.io.fesom.fesom_output import rotated_axes
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.mesh.planes import NEXTSIM_CRS

TIMES = np.datetime64("2000-01-01", "ns") + np.arange(2) * np.timedelta64(6, "h")
FLOWS = {  # velocity gradient (u_x, u_y, v_x, v_y) in 1/s
    "solid-body rotation": (0.0, -1e-6, 1e-6, 0.0),
    "pure strain": (2e-7, 1e-6, 1e-6, -2e-7),
}


def polar_mesh(side: float = 1.2e6) -> Mesh:
    """Triangles over the pole."""
    box = jittered_box(12, side=side)
    return Mesh.from_faces(box.nodes - 0.45 * side, box.faces, NEXTSIM_CRS)


def in_degrees(mesh: Mesh) -> xr.Dataset:
    """The mesh as a model may write it: longitude and latitude, corners counted from 1, its own names."""
    lon, lat = Proj(mesh.crs)(*mesh.nodes.T, inverse=True)
    topology = {"cf_role": "mesh_topology", "topology_dimension": 2, "face_dimension": "nMesh2_face",
                "node_coordinates": "Mesh2_lat Mesh2_lon", "face_node_connectivity": "Mesh2_corners"}  # fmt: skip
    return xr.Dataset(
        {
            "Mesh2": ((), 0, topology),
            "Mesh2_lon": ("nMesh2_node", lon % 360, {"units": "degrees_east", "standard_name": "longitude"}),
            "Mesh2_lat": ("nMesh2_node", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "Mesh2_corners": (("three", "nMesh2_face"), mesh.faces.T + 1, {"start_index": 1}),
        },
        coords={"time": TIMES},
    )


def east_north(mesh: Mesh, points: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn vectors from the axes of a conformal plane to east and north; north is found by a small step northwards."""
    lon, lat = Proj(mesh.crs)(*points.T, inverse=True)
    geod = Geod(a=mesh.crs.ellipsoid.semi_major_metre, b=mesh.crs.ellipsoid.semi_minor_metre)
    ahead = np.stack(Proj(mesh.crs)(*geod.fwd(lon, lat, np.zeros(len(lon)), np.full(len(lon), 10.0))[:2]), axis=1)
    x, y = ((ahead - points) / np.linalg.norm(ahead - points, axis=1, keepdims=True)).T
    return u * y - v * x, u * x + v * y


@pytest.mark.parametrize("location", ["node", "face"])
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("form", ["east and north", "axes of the plane"])
def test_drift_on_triangles_is_exact(location, flow, form):
    """On the sphere and in the plane; the derivatives of a linear field are exact."""
    mesh = polar_mesh()
    points = mesh.nodes if location == "node" else mesh.centres
    u_x, u_y, v_x, v_y = FLOWS[flow]
    x, y = points.T
    u, v = u_x * x + u_y * y, v_x * x + v_y * y
    names = ("nMesh2_node", "nMesh2_face")
    if form == "axes of the plane":
        ds = mesh_to_dataset(mesh).rename(node=names[0], face=names[1]).assign_coords(time=TIMES)
        ds["mesh"].attrs["face_dimension"] = names[1]
        stored = u, v
    else:
        ds = in_degrees(mesh)
        stored = east_north(mesh, points, u, v)
    for name, values in zip(("siu", "siv"), stored, strict=True):
        ds[name] = (("time", names[location == "face"]), np.stack([values, 2 * values]), {"units": "m s-1"})
    read = on_faces(ds, mesh)
    speed = np.hypot(u, v).max()
    np.testing.assert_allclose(read["siu"].values, np.stack([u, 2 * u]), atol=2e-6 * speed)
    np.testing.assert_allclose(read["siv"].values, np.stack([v, 2 * v]), atol=2e-6 * speed)
    found = compute_deformation(mesh, read["siu"].values[0], read["siv"].values[0], location)
    scale = np.abs(FLOWS[flow]).max()
    np.testing.assert_allclose(found.divergence, u_x + v_y, atol=1e-4 * scale)
    np.testing.assert_allclose(found.shear, np.hypot(u_x - v_y, u_y + v_x), atol=1e-4 * scale)
    np.testing.assert_allclose(found.vorticity, v_x - u_y, atol=1e-4 * scale)
    store = open_store(ds, mesh)  # the same by open_store, velocities at nodes averaged to faces
    expected = u if location == "face" else u[mesh.faces].mean(axis=1)
    np.testing.assert_allclose(store["siu"].values[0], expected, atol=3e-6 * speed)


def test_names_and_units_of_others():
    """Names of CMIP, NEMO and CICE; the thickness averaged over the ice only is multiplied by the concentration."""
    mesh = polar_mesh()
    rng = np.random.default_rng(0)
    sic, thickness, snow = rng.uniform(0.1, 1, (3, 2, mesh.n_faces))
    ds = in_degrees(mesh)
    for name, values, unit in (("siconc", 100 * sic, "%"), ("sithick", thickness, "m"), ("hs", 100 * snow, "cm"),
                               ("tas", 10 * sic - 20, "degC")):  # fmt: skip
        ds[name] = (("time", "nMesh2_face"), values, {"units": unit})
    store = open_store(ds)
    np.testing.assert_allclose(store["sic"].values, sic, rtol=1e-6)
    np.testing.assert_allclose(store["sit"].values, sic * thickness, rtol=1e-6)
    np.testing.assert_allclose(store["snt"].values, snow, rtol=1e-6)
    np.testing.assert_allclose(store["tus"].values, 10 * sic + 253.15, rtol=1e-6)
    with pytest.raises(InputError, match="siconc and aice are both 'sic'"):
        open_store(ds.assign(aice=ds["siconc"]))


def test_cells_with_corners_of_their_own(tmp_path):
    """Cells as ICON writes them: one dimension, radians."""
    mesh = polar_mesh()
    lon, lat = np.radians(np.stack(Proj(mesh.crs)(*mesh.nodes.T, inverse=True)))
    centre = np.radians(np.stack(Proj(mesh.crs)(*mesh.centres.T, inverse=True)))
    ds = xr.Dataset(coords={"time": TIMES})
    for name, standard, middle, corners in (
        ("clon", "longitude", centre[0], lon),
        ("clat", "latitude", centre[1], lat),
    ):
        ds[name] = ("ncells", middle, {"units": "radian", "standard_name": standard, "bounds": f"{name}_bnds"})
        ds[f"{name}_bnds"] = (("ncells", "vertices"), corners[mesh.faces])
    values = np.random.default_rng(0).uniform(size=(2, mesh.n_faces)).astype(np.float32)
    ds["sic"] = (("time", "height", "ncells"), values[:, None], {"units": "1"})
    ds.to_netcdf(tmp_path / "icon.nc")
    store = open_store(tmp_path / "icon.nc", mesh)
    np.testing.assert_array_equal(store["sic"].values, values)
    assert len(mesh_from_dataset(store).adjacency) == len(mesh.adjacency)
    land = np.isin(np.arange(mesh.n_faces), np.arange(5, 60, 7))
    ds["sic"] = ds["sic"].where(xr.DataArray(~land, dims="ncells"))
    wet = mesh_from_dataset(open_store(ds))
    assert wet.n_faces == (~land).sum()
    assert set(wet.boundary_kind) == {"coast", "open"}


def test_fields_on_an_mpas_mesh(shared_data):
    plane = CRS("+proj=stere +lat_0=90 +R=6371229")
    with xr.open_dataset(shared_data / "grids" / "mesh.QU.1920km.151026.nc") as ds:
        shown = np.arange(ds.sizes["nCells"]) != ds["latCell"].values.argmin()
        values = np.random.default_rng(0).uniform(size=(2, len(shown))).astype(np.float32)
        ds = ds.assign_coords(time=TIMES).assign(sic=(("time", "nCells"), values, {"units": "1"}))
        mesh = load_mesh(shared_data / "grids" / "mesh.QU.1920km.151026.nc", plane)
        np.testing.assert_array_equal(open_store(ds, mesh)["sic"].values, values[:, shown])


def test_one_record_with_a_scalar_time(shared_data):
    """The Arctic grid: values where the mask is 1."""
    path = shared_data / "grids" / "nextsim_arctic_512.nc"
    with xr.open_dataset(path) as ds:
        time, sit, mask = (ds[name].values for name in ("time", "sit", "mask"))
    store = open_store(path)
    np.testing.assert_array_equal(store["sit"].values[0], sit[mask == 1])
    assert store["time"].values[0] == time


# FESOM


@pytest.fixture(scope="module")
def fesom(shared_data):
    with xr.open_dataset(shared_data / "grids" / "fesom.mesh.diag.nc") as ds:
        return ds.load()


def test_the_rotated_globe_of_fesom(fesom):
    """FESOM's north points to its pole on Greenland; it also computed its stored gradients about that pole."""
    lon, lat = fesom["lon"].values, fesom["lat"].values
    vectors = unit(lon, lat)
    first, second = rotated_axes(vectors)
    azimuth = np.radians(Geod(ellps="sphere").inv(lon, lat, np.full(len(lon), -40.0), np.full(len(lon), 75.0))[0])
    np.testing.assert_allclose(second, np.stack([np.sin(azimuth), np.cos(azimuth)], axis=1), atol=1e-9)
    np.testing.assert_allclose(first, np.stack([np.cos(azimuth), -np.sin(azimuth)], axis=1), atol=1e-9)
    faces = fesom["face_nodes"].values.T.astype(int) - 1
    stored = np.stack([fesom[f"gradient_sca_{axis}"].values.T[:, ::-1] for axis in "xy"])  # corners run the other way
    off = np.linalg.norm(stored - fesom_gradients(lon, lat, faces), axis=0) / np.linalg.norm(stored, axis=0)
    assert np.median(off) < 1e-4
    assert np.quantile(off, 0.99) < 2e-3


def unit(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    a, b = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=-1)


def fesom_gradients(lon: np.ndarray, lat: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Gradients of hat functions as FESOM computes them, in longitude and latitude about the pole of its globe."""
    towards, _, distance = Geod(a=6367500.0, b=6367500.0).inv(
        np.full(len(lon), -40.0), np.full(len(lon), 75.0), lon, lat
    )
    around, across = -np.radians(towards)[faces], (np.pi / 2 - distance / 6367500.0)[faces]
    x = ((around - around[:, :1] + np.pi) % (2 * np.pi) - np.pi) * np.cos(across).mean(axis=1, keepdims=True)
    ones = np.stack([6367500.0 * x, 6367500.0 * across, np.ones_like(x)], axis=-1)
    return np.moveaxis(np.linalg.inv(ones)[:, :2], 1, 0)


def test_ice_of_fesom(shared_data, fesom, caplog):
    """Concentration is the mean of the corners; the drift keeps its speed and has the direction of FESOM."""
    folder = shared_data / "grids"
    store = open_store(folder / "a_ice.fesom.1948.nc")
    faces = fesom["face_nodes"].values.T.astype(int) - 1
    with xr.open_dataset(folder / "a_ice.fesom.1948.nc") as ds:
        np.testing.assert_allclose(store["sic"].values[0], ds["a_ice"].values[0][faces].mean(axis=1), rtol=1e-6)
        assert store["time"].values == ds["time"].values
    mesh = mesh_from_dataset(store)
    u, v = (xr.open_dataset(folder / f"{name}.fesom.1948.nc")[name].values[0] for name in ("uice", "vice"))
    # In the plane of neXtSIM the direction of true north is known; that of FESOM's north is the azimuth of its pole.
    lon, lat = fesom["lon"].values, fesom["lat"].values
    azimuth = np.radians(Geod(ellps="sphere").inv(lon, lat, np.full(len(lon), -40.0), np.full(len(lon), 75.0))[0])
    turn = np.radians(lon + 45.0) - azimuth
    x, y = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    for name, values in (("siu", x), ("siv", y)):
        np.testing.assert_allclose(store[name].values[0], values[faces].mean(axis=1), atol=1e-6)
    assert mesh.n_faces == fesom.sizes["elem"]


def test_the_mesh_of_fesom_from_elsewhere(shared_data, tmp_path):
    """The mesh folder lies beside the output, or the caller gives the mesh; else the message says what to do."""
    expected = open_store(shared_data / "grids" / "uice.fesom.1948.nc")
    for name in ("a_ice", "uice", "vice"):
        (tmp_path / f"{name}.fesom.1948.nc").symlink_to(shared_data / "grids" / f"{name}.fesom.1948.nc")
    with pytest.raises(InputError, match=r"where is FESOM's mesh\? Put fesom\.mesh\.diag\.nc"):
        open_store(tmp_path)
    mesh = load_mesh(shared_data / "meshes" / "fesom_pi")
    given = open_store(tmp_path / "vice.fesom.1948.nc", mesh)
    for name in ("nod2d.out", "elem2d.out"):
        (tmp_path / name).symlink_to(shared_data / "meshes" / "fesom_pi" / name)
    for store in (given, open_store(tmp_path)):
        for name in ("sic", "siu", "siv"):
            np.testing.assert_allclose(store[name].values, expected[name].values, atol=1e-6)
    (tmp_path / "a_ice.fesom.1948.nc").unlink()
    (tmp_path / "temp.fesom.1949.nc").write_bytes(b"")
    with pytest.raises(InputError, match=r"no ice beside it; expected a_ice\.fesom\.1949\.nc"):
        open_store(tmp_path / "temp.fesom.1949.nc")
    (tmp_path / "a_ice.fesom.1948.nc").write_bytes(b"no netCDF")
    with pytest.raises(InputError, match=r"a_ice\.fesom\.1948\.nc: cannot be read"):
        open_store(tmp_path / "uice.fesom.1948.nc")


# To a mesh in another plane


@pytest.mark.parametrize("flow", ["uniform", *FLOWS])
def test_remapping_to_another_plane_turns_vectors(flow, tmp_path):
    """From triangles in neXtSIM's plane to a grid in another: uniform drift exactly, others to first order."""
    source = polar_mesh(1.6e6)
    axis = (np.arange(16) - 7.5) * 5e4
    target = Mesh.from_grid(axis, axis, crs=3575)
    u_x, u_y, v_x, v_y = FLOWS.get(flow, (0.0, 0.0, 0.0, 0.0))

    def drift(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = points.T
        return 0.2 + u_x * x + u_y * y, 0.1 + v_x * x + v_y * y

    ds = mesh_to_dataset(source).assign_coords(time=TIMES)
    for name, values in zip(("siu", "siv"), drift(source.centres), strict=True):
        ds[name] = (("time", "face"), np.tile(values, (2, 1)), {"units": "m s-1"})
    ds["sic"] = (("time", "face"), np.full((2, source.n_faces), 0.4), {"units": "1"})
    ds.to_netcdf(tmp_path / "run.nc")
    store = open_store(tmp_path / "run.nc", mesh=target)
    np.testing.assert_allclose(store["sic"].values, 0.4, rtol=1e-6)
    here = Transformer.from_crs(3575, NEXTSIM_CRS, always_xy=True).transform(*target.centres.T)
    u, v = drift(np.stack(here, axis=1))
    turn = np.radians(-45.0 - 10.0)  # both planes are polar: they differ by their central meridians
    expected = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    error = np.hypot(store["siu"].values[0] - expected[0], store["siv"].values[0] - expected[1])
    assert error.max() < (1e-6 if flow == "uniform" else 1.1e-6 * source.spacing.max())
