"""Genuine files: counts against other readers, coordinates and areas against PROJ, and a graph of the mesh."""

import time

import meshio
import numpy as np
import pytest
import xarray as xr
from pyproj import Geod, Proj

from gensim_graph.graph import build_graph
from gensim_graph.io import load_mesh, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import true_areas

NEXTSIM = Proj("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-45 +a=6378273 +b=6356889.44891 +units=m")
GMSH = ["arctic/bigarctic_30km", *(f"cyclone/box_{name}" for name in ("16km_a", "16km_b", "16km_d", "8km_a", "8km_b")),
        "meshes/coast_10km", "meshes/wim_grid_split2_4000m"]  # fmt: skip


def edges_by_use(faces: np.ndarray) -> np.ndarray:
    """Numbers of edges with one face and with two faces."""
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    use = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)[1]
    return np.bincount(use, minlength=3)[1:]


def proj_area(mesh: Mesh) -> float:
    """True areas in m2 by the shoelace formula, divided by PROJ's areal scale at the mean corner; triangles only."""
    a, b, c = (mesh.nodes[corner] for corner in mesh.faces.T)
    flat = 0.5 * np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    lon, lat = Proj(mesh.crs)(*((a + b + c) / 3).T, inverse=True)
    return float((flat / Proj(mesh.crs).get_factors(lon, lat).areal_scale).sum())


@pytest.mark.parametrize("name", GMSH)
def test_gmsh_files(shared_data, name):
    mesh = load_mesh(shared_data / f"{name}.msh")
    raw = meshio.read(shared_data / f"{name}.msh", file_format="gmsh")
    triangles = np.concatenate([block.data for block in raw.cells if block.type == "triangle"])
    points = raw.points[np.unique(triangles)]
    assert (mesh.n_nodes, mesh.n_faces) == (len(points), len(triangles))
    assert [len(mesh.boundary_edges), len(mesh.adjacency)] == edges_by_use(triangles).tolist()
    tags = raw.cell_data.get("gmsh:physical", [])
    lines = [tag for block, tag in zip(raw.cells, tags, strict=False) if block.type == "line"]
    named = {key: int((np.concatenate(lines) == number).sum()) for key, (number, _) in raw.field_data.items() if lines}
    assert {key: len(pairs) for key, pairs in mesh.boundaries.items()} == {key: n for key, n in named.items() if n}
    lon = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    lat = np.degrees(np.arcsin(points[:, 2] / np.linalg.norm(points, axis=1)))
    np.testing.assert_allclose(mesh.nodes, np.stack(NEXTSIM(lon, lat), axis=1), atol=1e-3)
    assert true_areas(mesh).sum() == pytest.approx(proj_area(mesh), rel=1e-5)


@pytest.mark.parametrize("name", ["cyclone/cyclone_16km_00", "cyclone/cyclone_8km_04", "arctic/storm30_days00-20"])
def test_nextsim_trajectories(shared_data, name):
    with xr.open_dataset(shared_data / f"{name}.nc") as ds:
        mesh = load_mesh(shared_data / f"{name}.nc")
        faces, flags = ds["face_nodes"].values, ds["node_flag"].values
        assert (mesh.n_nodes, mesh.n_faces) == (ds.sizes["node"], ds.sizes["face"])
        assert [len(mesh.boundary_edges), len(mesh.adjacency)] == edges_by_use(faces).tolist()
        np.testing.assert_allclose(mesh.nodes, np.stack([ds["node_x"], ds["node_y"]], axis=1), atol=1e-3)
        ends = flags[mesh.boundary_edges]
        assert len(mesh.boundaries["coast"]) == ((ends == 1).all(axis=1)).sum()
        assert true_areas(mesh).sum() == pytest.approx(proj_area(mesh), rel=1e-5)


def test_every_trajectory_opens(shared_data):
    """Values on faces as stored, velocities as the mean of the corners."""
    files = [*sorted((shared_data / "cyclone").glob("*.nc")), *(shared_data / "arctic").glob("*.nc")]
    assert len(files) == 22
    for file in files:
        store = open_store(file)
        with xr.open_dataset(file) as ds:
            np.testing.assert_array_equal(store["sit"].values[-1], np.clip(ds["sit"].values[-1], 0, None))
            drift = ds["siu"].values[-1][ds["face_nodes"].values].mean(axis=1)
            np.testing.assert_allclose(store["siu"].values[-1], drift, atol=1e-6)


@pytest.mark.parametrize("name", ["arctic/bigarctic_30km.msh", "grids/nextsim_arctic_512.nc"])
def test_graphs_of_the_arctic_take_seconds(shared_data, name):
    """Next to the pole too, every token finds all tokens within the radius of its attention, measured on the globe."""
    start = time.process_time()
    mesh = load_mesh(shared_data / name)
    graph = build_graph(mesh)
    assert time.process_time() - start < 10.0
    middle = mesh.centres[0] - graph.pos[0].numpy()
    lon, lat = Proj(mesh.crs)(*(graph.token_pos.numpy() + middle).T, inverse=True)
    valid = graph.token_valid.numpy()
    pole = int(np.argmax(np.where(valid, lat, -90)))
    assert lat[pole] > 89.5
    reach = float(graph.radius[0]) * float(graph.token_length[pole])  # m in the plane, 1.07 of the true metres there
    scale = Proj(mesh.crs).get_factors(0.0, 89.9999).meridional_scale
    geod = Geod(a=mesh.crs.ellipsoid.semi_major_metre, b=mesh.crs.ellipsoid.semi_minor_metre)
    apart = geod.inv(np.full(len(lon), lon[pole]), np.full(len(lon), lat[pole]), lon, lat)[2]
    near = np.flatnonzero(valid & (apart * scale < 0.98 * reach))
    cluster = pole // graph.query_pos.shape[1]
    keys = graph.halo[cluster][graph.halo_valid[cluster]].numpy()
    assert len(near) > 100
    assert np.isin(near, keys).all()
