"""Grids in netCDF: seams, folds, poles, corners, masks; counts and areas in closed form or from other libraries."""

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Geod, Proj
from scipy.spatial import cKDTree
from support.tripolar import tripolar

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.io.cf import read_grid
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.build.lattice import shared_columns
from gensim_graph.mesh.operators import true_areas
from gensim_graph.mesh.planes import NEXTSIM_CRS, unit_vectors, unproject

R = 6371e3
BALL = CRS(f"+proj=laea +lat_0=90 +R={R}")


def counts(mesh: Mesh) -> dict[str, int]:
    return {name: len(pairs) for name, pairs in mesh.boundaries.items()}


def saved(tmp_path, ds: xr.Dataset):
    path = tmp_path / "grid.nc"
    ds.to_netcdf(path)
    return path


def latlon(south: float = 60.0, west: float = -180.0, step: float = 2.0) -> xr.Dataset:
    lat, lon = np.arange(south + step / 2, 90, step), np.arange(west + step / 2, west + 360, step)
    return xr.Dataset(coords={"lat": ("lat", lat), "lon": ("lon", lon)})


def cap(south: float) -> float:
    """Area of the sphere north of a latitude."""
    return 2 * np.pi * R**2 * (1 - np.sin(np.radians(south)))


# Axes


def test_axes_in_a_plane(tmp_path):
    x, y = np.arange(6) * 25.0 - 60, 100.0 - np.arange(4) * 20  # km, y downwards
    ds = xr.Dataset(coords={"x": ("x", x, {"units": "km"}), "y": ("y", y, {"units": "km"})})
    ds["polar"] = xr.Variable((), 0, {key: value for key, value in CRS(3413).to_cf().items() if key != "crs_wkt"})
    mesh = load_mesh(saved(tmp_path, ds))
    assert mesh.grid_shape == (4, 6)
    assert mesh.crs.to_epsg() == 3413 or "polar_stereographic" in str(mesh.crs.to_cf())
    np.testing.assert_allclose(mesh.centres[7], [-35e3, 80e3])
    np.testing.assert_allclose(mesh.areas, 25e3 * 20e3)


def test_another_plane_on_request(tmp_path):
    ds = xr.Dataset(
        coords={"x": ("x", np.arange(5) * 1e4, {"units": "m"}), "y": ("y", np.arange(4) * 1e4, {"units": "m"})}
    )
    ds["polar"] = xr.Variable((), 0, CRS(3413).to_cf())
    grid = read_grid(ds, CRS(3575))
    lon, lat = Proj(CRS(3413))(2e4, 1e4, inverse=True)
    np.testing.assert_allclose(grid.mesh.centres[7], Proj(CRS(3575))(lon, lat), atol=5.0)
    turn = np.radians(-45 - 10)  # of the x axis from 3413 (45 W down) to 3575 (10 E down)
    np.testing.assert_allclose(grid.faces.axes.angle, turn, atol=1e-6)


@pytest.mark.parametrize("west", [-180.0, 0.0, 37.0])
def test_a_ring_of_longitudes_closes(west, tmp_path):
    """No seam and no hole at the pole, whatever the range of longitudes."""
    mesh = load_mesh(saved(tmp_path, latlon(west=west)), BALL)
    assert mesh.n_faces == 15 * 180
    assert len(mesh.boundary_edges) == 180
    assert len(mesh.adjacency) == 15 * 180 + 14 * 180
    assert mesh.corner_counts.min() == 3
    assert (mesh.corner_counts == 3).sum() == 180
    np.testing.assert_allclose(true_areas(mesh).sum(), cap(60), rtol=1e-3)
    latitude = np.degrees(np.arcsin(unproject(mesh.nodes[np.unique(mesh.boundary_edges)], BALL)[:, 2]))
    np.testing.assert_allclose(latitude, 60, atol=1e-9)


def test_degrees_given_directly():
    """Axes, arrays and faces in a geographic crs, longitude first."""
    ds = latlon()
    lon, lat = np.meshgrid(ds.lon, ds.lat)
    mask = lat > 64
    ds["mask"] = (("lat", "lon"), mask.astype(np.int8))
    mesh = read_grid(ds).mesh
    assert Mesh.from_grid(ds.lon.values, ds.lat.values, mask, "EPSG:4326").hash == mesh.hash
    assert Mesh.from_grid(lon, lat, mask, "EPSG:4326").hash == mesh.hash
    nodes = np.array([[178.0, 80], [182, 80], [-178, 82], [178, 82]])
    dateline = Mesh.from_faces(nodes, np.array([[0, 1, 2, 3]]), 4326)
    assert dateline.crs == NEXTSIM_CRS
    np.testing.assert_allclose(dateline.nodes, np.stack(Proj(NEXTSIM_CRS)(*nodes.T), axis=1), atol=1e-3)
    with pytest.raises(InputError, match="order is longitude, latitude"):
        Mesh.from_faces(nodes[:, ::-1], np.array([[0, 1, 2, 3]]), 4326)
    with pytest.raises(InputError, match="two 1-D axes or two 2-D"):
        Mesh.from_grid(ds.lon.values, lat, crs=4326)


def test_a_column_stored_twice_is_dropped():
    ds = latlon()
    wide = xr.Dataset(coords={"lat": ds.lat, "lon": ("lon", np.append(ds.lon.values, 181.0))})
    mesh = read_grid(wide, BALL).mesh
    assert mesh.n_faces == 15 * 180
    assert len(mesh.boundary_edges) == 180


def test_cells_with_their_centre_on_the_pole():
    ds = xr.Dataset(coords={"lat": ("lat", np.arange(60.0, 91, 2)), "lon": ("lon", np.arange(0.0, 360, 4))})
    mesh = read_grid(ds, BALL).mesh
    assert mesh.n_faces == 16 * 90
    assert len(mesh.boundary_edges) == 90


def test_axes_written_as_two_dimensional_coordinates():
    ds = latlon()
    lon, lat = np.meshgrid(ds.lon, ds.lat)
    flat = xr.Dataset({"longitude": (("j", "i"), lon), "latitude": (("j", "i"), lat)})
    assert read_grid(flat, BALL).mesh.hash == read_grid(ds, BALL).mesh.hash


def test_rotated_pole():
    """Cells of a rotated globe have the areas of that globe."""
    rlon, rlat = np.arange(-20.0, 21, 1), np.arange(-15.0, 16, 1)
    ds = xr.Dataset(coords={"rlon": ("rlon", rlon), "rlat": ("rlat", rlat)})
    ds["rotated_pole"] = xr.Variable((), 0, {
        "grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 0.0,
        "grid_north_pole_longitude": 180.0, "earth_radius": R,
    })  # fmt: skip
    grid = read_grid(ds, BALL)
    band = np.sin(np.radians(rlat + 0.5)) - np.sin(np.radians(rlat - 0.5))
    expected = np.repeat(R**2 * np.radians(1.0) * band, len(rlon))
    assert grid.mesh.n_faces == len(expected)
    np.testing.assert_allclose(true_areas(grid.mesh), expected, rtol=1e-4)
    # The origin of the rotated globe is the north pole, its x axis points along 90 E there.
    middle = 15 * len(rlon) + 20
    np.testing.assert_allclose(grid.mesh.centres[middle], 0, atol=1.0)


def test_bounds_of_axes():
    ds = latlon(step=5.0)
    ds["lon_bnds"] = (("lon", "nv"), np.stack([ds.lon - 2.5, ds.lon + 2.5], axis=1))
    ds["lat_bnds"] = (("lat", "nv"), np.stack([ds.lat - 2.5, ds.lat + 2.5], axis=1))
    one, other = read_grid(ds, BALL).mesh, read_grid(ds.drop_vars(["lon_bnds", "lat_bnds"]), BALL).mesh
    assert len(one.boundary_edges) == len(other.boundary_edges) == 72
    np.testing.assert_allclose(one.areas, other.areas, rtol=1e-9)


# Curvilinear grids


LAYOUTS = [("F", 0, 0), ("F", 1, 0), ("F", 1, 2), ("T", 0, 0), ("T", 1, 2), ("T", 1, 0), ("F", 2, 2)]


@pytest.mark.parametrize("corners", ["centres", "f-points"])
@pytest.mark.parametrize(("fold", "rows", "columns"), LAYOUTS)
def test_fold_and_ring_close(fold, rows, columns, corners):
    """Every cell occurs once, seam and fold have no boundary edge, and neighbours across the fold are near."""
    ny, nx = 16, 64
    ds = tripolar(ny, nx, fold, rows, columns)
    if corners == "centres":
        ds = ds.drop_vars(["glamf", "gphif"])
    mesh = read_grid(ds, BALL).mesh
    cells = (ny if fold == "F" else ny - 0.5) * (nx - 12)
    assert mesh.n_faces == cells
    rim = nx - 12
    length = 2 * (2 * ny if fold == "F" else 2 * ny - 1)
    assert counts(mesh) == {"coast": length, "open": rim}
    around = np.radians(180 * 6 / nx)
    np.testing.assert_allclose(true_areas(mesh).sum(), 2 * np.pi * R**2 * np.cos(around), rtol=2e-3)
    assert_neighbours_are_near(mesh)


def assert_neighbours_are_near(mesh: Mesh) -> None:
    """Interior cells have four neighbours; no other cell is nearer on the globe than the farthest of the four."""
    centres = unproject(mesh.centres, mesh.crs)
    pairs = mesh.adjacency.faces
    assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)
    apart = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    size = np.sqrt(true_areas(mesh)) / R
    assert (apart < 2.2 * size[pairs].max(axis=1)).all()
    inner = np.setdiff1d(np.arange(mesh.n_faces), mesh.boundary_faces)
    assert (np.bincount(pairs.ravel(), minlength=mesh.n_faces)[inner] == 4).all()
    nearest = cKDTree(centres).query(centres[inner], k=2)[1][:, 1]
    known = set(map(tuple, np.sort(pairs, axis=1).tolist()))
    assert all(tuple(sorted(pair)) in known for pair in zip(inner.tolist(), nearest.tolist(), strict=True))


def test_own_corners_of_curvilinear_cells():
    ds = tripolar(columns=2, rows=1).drop_vars("tmask")
    lon, lat = ds["glamf"].values, ds["gphif"].values
    part = [(slice(0, -1), slice(0, -1)), (slice(0, -1), slice(1, None)), (slice(1, None), slice(1, None)),
            (slice(1, None), slice(0, -1))]  # fmt: skip
    inner = ds.isel(x=slice(1, None), y=slice(1, None)).drop_vars(["glamf", "gphif"])
    for name, values in (("vertices_longitude", lon), ("vertices_latitude", lat)):
        inner[name] = (("y", "x", "vertex"), np.stack([values[where] for where in part], axis=-1).astype(np.float32))
    inner["mask"] = tripolar(columns=2, rows=1)["tmask"].isel(x=slice(1, None), y=slice(1, None))
    mesh = read_grid(inner, BALL).mesh
    assert mesh.n_faces == 15 * 52
    assert counts(mesh) == {"coast": 4 * 15, "open": 52}
    assert_neighbours_are_near(mesh)


def test_two_columns_shared_by_both_ends():
    lon = np.arange(0.0, 366, 3)
    rows = unit_vectors(np.tile(lon, (4, 1)), np.array([[50.0], [52], [54], [56]]) + 0 * lon)
    assert shared_columns(rows) == 2
    assert shared_columns(rows[:, :-2]) == 0
    assert shared_columns(rows[:, :60]) is None


# Cells along one dimension


def test_triangles_with_corners_of_their_own(small_mesh, tmp_path):
    """Cells as ICON writes them: radians, one row of corners for each cell."""
    nodes = np.stack(Proj(NEXTSIM_CRS)(*(small_mesh.nodes.T + 1e6), inverse=True))
    lon, lat = np.radians(nodes)[:, small_mesh.faces]
    ds = xr.Dataset()
    for name, values in (("lon", lon), ("lat", lat)):
        standard = {"lon": "longitude", "lat": "latitude"}[name]
        attrs = {"units": "radian", "standard_name": standard, "bounds": f"c{name}_vertices"}
        ds[f"c{name}"] = ("cell", values.mean(axis=1), attrs)
    ds["clon_vertices"], ds["clat_vertices"] = (("cell", "vertices"), lon), (("cell", "vertices"), lat)
    mesh = load_mesh(saved(tmp_path, ds))
    assert (mesh.n_nodes, mesh.n_faces) == (small_mesh.n_nodes, small_mesh.n_faces)
    assert len(mesh.adjacency) == len(small_mesh.adjacency)
    np.testing.assert_allclose(mesh.centres, small_mesh.centres + 1e6, atol=1e-3)


def test_mpas(shared_data):
    path = shared_data / "grids" / "mesh.QU.1920km.151026.nc"
    mesh = load_mesh(path, CRS("+proj=stere +lat_0=90 +lon_0=0 +R=1"))
    with xr.open_dataset(path) as ds:
        south = ds["latCell"].values.argmin()  # around the south pole: no plane shows it
        assert mesh.n_faces == ds.sizes["nCells"] - 1
        assert mesh.n_nodes == ds.sizes["nVertices"]
        assert len(mesh.adjacency) == ds.sizes["nEdges"] - ds["nEdgesOnCell"].values[south]
        np.testing.assert_allclose(true_areas(mesh), np.delete(ds["areaCell"].values, south), rtol=1e-6)


# Masks


def strait(nx: int = 9) -> np.ndarray:
    mask = np.ones((7, nx), dtype=np.int8)
    mask[:, 4] = 0
    mask[3, 4] = 1
    return mask


def test_neighbours_never_cross_land():
    """Two basins, joined by a strait of one cell."""
    axis = np.arange(9) * 1e4
    ds = xr.Dataset({"mask": (("y", "x"), strait())},
                    coords={"x": ("x", axis, {"units": "m"}), "y": ("y", axis[:7], {"units": "m"})})  # fmt: skip
    mesh = read_grid(ds).mesh
    column = mesh.grid_index % 9
    pairs = column[mesh.adjacency.faces]
    assert sorted(pairs[(pairs == 4).any(axis=1)].tolist()) == [[3, 4], [4, 5]]
    assert (np.abs(np.diff(pairs, axis=1)) <= 1).all()
    assert counts(mesh) == {"coast": 6 * 2 + 2, "open": 2 * (7 + 8)}
    ds["mask"][3, 4] = 0
    closed = read_grid(ds).mesh
    assert (
        not (closed.grid_index[closed.adjacency.faces] % 9 > 4).any(axis=1).any()
        or (np.ptp((closed.grid_index[closed.adjacency.faces] % 9 > 4).astype(int), axis=1) == 0).all()
    )


@pytest.mark.parametrize("kind", ["sea_binary_mask", "land_binary_mask", "fill values"])
def test_masks_by_name_and_by_fill_values(kind):
    axis = np.arange(9) * 1e4
    ds = xr.Dataset(coords={"x": ("x", axis, {"units": "m"}), "y": ("y", axis[:7], {"units": "m"})})
    if kind == "fill values":
        ds["sst"] = (("time", "y", "x"), np.where(strait() == 1, 1.0, np.nan)[None])
    else:
        mask = strait() if kind == "sea_binary_mask" else 1 - strait()
        ds["lsm"] = (("y", "x"), mask, {"standard_name": kind})
    assert read_grid(ds).mesh.n_faces == strait().sum()


# The 512 x 512 Arctic grid


@pytest.fixture(scope="module")
def arctic(shared_data):
    with xr.open_dataset(shared_data / "grids" / "nextsim_arctic_512.nc") as ds:
        return ds.load()


@pytest.fixture(scope="module")
def arctic_mesh(shared_data) -> Mesh:
    return load_mesh(shared_data / "grids" / "nextsim_arctic_512.nc")


def test_counts_of_the_arctic_grid(arctic, arctic_mesh):
    """Numbers of cells and coast edges, against numpy counting in the mask."""
    ocean = arctic["mask"].values == 1
    assert arctic_mesh.n_faces == ocean.sum()
    coast = sum((np.diff(ocean.astype(int), axis=axis) != 0).sum() for axis in (0, 1))
    rim = sum(line.sum() for line in (ocean[0], ocean[-1], ocean[:, 0], ocean[:, -1]))
    assert counts(arctic_mesh) == {"coast": coast, "open": rim}
    joined = (ocean[1:] & ocean[:-1]).sum() + (ocean[:, 1:] & ocean[:, :-1]).sum()
    assert len(arctic_mesh.adjacency) == joined
    assert arctic_mesh.crs == NEXTSIM_CRS


def test_places_of_the_arctic_grid(arctic, arctic_mesh):
    """Corners are between the projected centres, cells hold their centre, also next to the pole."""
    lon, lat = (arctic[name].values.astype(float) for name in ("longitude", "latitude"))
    x, y = Proj(NEXTSIM_CRS)(lon, lat)
    index = arctic_mesh.grid_index
    off = np.hypot(*(arctic_mesh.centres - np.stack([x.ravel()[index], y.ravel()[index]], axis=1)).T)
    assert np.quantile(off / arctic_mesh.spacing, 0.99) < 0.05
    pole = arctic["latitude"].values.ravel()[index] > 89
    assert pole.sum() > 50
    assert (off[pole] < 0.02 * arctic_mesh.spacing[pole]).all()


def test_areas_of_the_arctic_grid(arctic_mesh):
    rows = np.random.default_rng(0).choice(arctic_mesh.n_faces, 2000, replace=False)
    lon, lat = Proj(NEXTSIM_CRS)(*arctic_mesh.nodes.T, inverse=True)
    geod = Geod(a=NEXTSIM_CRS.ellipsoid.semi_major_metre, b=NEXTSIM_CRS.ellipsoid.semi_minor_metre)
    expected = [geod.polygon_area_perimeter(lon[nodes], lat[nodes])[0] for nodes in arctic_mesh.faces[rows]]
    np.testing.assert_allclose(true_areas(arctic_mesh)[rows], expected, rtol=1e-6)


def test_neighbours_at_the_pole_are_those_on_the_globe(arctic, arctic_mesh):
    """Neighbours of fifty cells near the pole, against distances on the globe between the centres in the file."""
    index = arctic_mesh.grid_index
    lon, lat = (arctic[name].values.ravel()[index].astype(float) for name in ("longitude", "latitude"))
    vectors = unit_vectors(lon, lat)
    near = np.random.default_rng(1).choice(np.flatnonzero(lat > 88.5), 50, replace=False)
    pairs = arctic_mesh.adjacency.faces
    for cell in near:
        found = np.concatenate([pairs[pairs[:, 0] == cell, 1], pairs[pairs[:, 1] == cell, 0]])
        nearest = np.argsort(np.linalg.norm(vectors - vectors[cell], axis=1))[1:5]
        assert set(found.tolist()) == set(nearest.tolist())


# Wrong input


def broken(change) -> xr.Dataset:
    axis = np.arange(9) * 1e4
    ds = xr.Dataset({"mask": (("y", "x"), strait())},
                    coords={"x": ("x", axis, {"units": "m"}), "y": ("y", axis[:7], {"units": "m"})})  # fmt: skip
    return change(ds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars(["x", "y"]), "no mesh topology and no grid"),
        (lambda ds: ds.assign(mask=ds["mask"] * 0), "no ocean cell"),
        (lambda ds: ds.assign(mask=ds["mask"] * 0.4), "True or 1 for ocean"),
        (lambda ds: ds.isel(x=[0]), "at least 2 x 2"),
        (lambda ds: ds.assign_coords(x=ds["x"].copy(data=[0, 1, 2, 1, 4, 5, 6, 7, 8])), "increase or decrease"),
        (lambda ds: ds.assign_coords(x=ds["x"].copy(data=[np.nan] * 9)), "finite|increase or decrease"),
        (lambda ds: ds.assign(lon=("y", np.zeros(7)), lat=(("y", "x"), np.zeros((7, 9)))), "do not belong together"),
    ],
)
def test_broken_grids(change, message):
    with pytest.raises(InputError, match=message):
        read_grid(broken(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign(nav_lat=ds["nav_lat"].where(ds["nav_lat"] < 40)), "no coordinates at one of their"),
        (lambda ds: ds.assign(nav_lat=ds["nav_lat"] * 1e20), "no coordinates at one of their"),
    ],
)
def test_broken_curvilinear_grids(change, message):
    with pytest.raises(InputError, match=message):
        read_grid(change(tripolar().drop_vars(["glamf", "gphif"])), BALL)


def test_a_geographic_crs_is_no_plane():
    with pytest.raises(InputError, match="not a projection"):
        read_grid(latlon(), CRS.from_epsg(4326))


def test_centres_alone_do_not_make_unstructured_cells():
    ds = xr.Dataset(coords={"lon": ("cell", np.arange(5.0)), "lat": ("cell", np.arange(5.0))})
    with pytest.raises(InputError, match="from_points"):
        read_grid(ds, BALL)


def test_a_globe_is_open_where_the_plane_cannot_show_it():
    """A north polar plane cannot show the cells around the south pole: the mesh is open there."""
    lat, lon = np.arange(-88.0, 90, 4), np.arange(2.0, 360, 4)
    mesh = read_grid(xr.Dataset(coords={"lat": ("lat", lat), "lon": ("lon", lon)}), NEXTSIM_CRS).mesh
    assert mesh.n_faces == (45 - 1) * 90
    assert counts(mesh) == {"open": 90}
    np.testing.assert_allclose(true_areas(mesh).sum(), 4 * np.pi * R**2 * (1 + np.cos(np.radians(4))) / 2, rtol=5e-3)
