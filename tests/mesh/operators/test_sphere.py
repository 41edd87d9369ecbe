"""True areas against pyproj's geodesic polygons, scale factors against PROJ's own."""

import re

import numpy as np
import pytest
from pyproj import CRS, Geod, Proj
from support.meshes import jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import scale_factors, true_areas
from gensim_graph.mesh.operators.sphere import solid_angles
from gensim_graph.mesh.planes import NEXTSIM_CRS, choose_plane, drawable, lonlat, project, unit_vectors, unproject


def geodesic_areas(mesh: Mesh, rows: np.ndarray) -> np.ndarray:
    """Areas of some faces by pyproj, one by one."""
    ellipsoid = mesh.crs.ellipsoid
    geod = Geod(a=ellipsoid.semi_major_metre, b=ellipsoid.semi_minor_metre)
    lon, lat = Proj(mesh.crs)(*mesh.nodes.T, inverse=True)
    corners = [mesh.faces[row][mesh.faces[row] >= 0] for row in rows]
    return np.array([geod.polygon_area_perimeter(lon[nodes], lat[nodes])[0] for nodes in corners])


def shifted(mesh: Mesh, x: float, y: float, crs: CRS) -> Mesh:
    return Mesh.from_faces(mesh.nodes + np.array([x, y]), mesh.faces, crs)


CRSS = [NEXTSIM_CRS, CRS.from_epsg(3413), CRS.from_epsg(3575)]
PLACES = [(-5e4, -5e4), (1e6, 5e5), (-2e6, 8e5)]


@pytest.mark.parametrize("crs", CRSS)
@pytest.mark.parametrize("place", PLACES)
def test_areas_are_those_of_geodesic_polygons(crs, place):
    """Great circles leave geodesics in proportion to the size of a face; what one loses its neighbour gains."""
    errors = []
    for side in (200e3, 100e3):  # faces of 20 and 10 km
        mesh = shifted(jittered_box(side=side), *place, crs)
        expected = geodesic_areas(mesh, np.arange(mesh.n_faces))
        assert true_areas(mesh).sum() == pytest.approx(expected.sum(), rel=2e-8)
        errors.append(np.abs(true_areas(mesh) / expected - 1).max())
    assert errors[1] < 1.5e-6
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("crs", CRSS)
@pytest.mark.parametrize("place", PLACES)
def test_scale_factors_are_those_of_proj(crs, place):
    mesh = shifted(jittered_box(), *place, crs)
    factors = Proj(crs).get_factors(*Proj(crs)(*mesh.centres.T, inverse=True))
    np.testing.assert_allclose(scale_factors(mesh) ** 2, factors.areal_scale, rtol=1e-7)


def test_on_a_sphere_one_eighth_is_exact():
    octant = unit_vectors(np.array([0.0, 90, 0]), np.array([0.0, 0, 90]))
    np.testing.assert_allclose(solid_angles(octant, np.array([[0, 1, 2]])), np.pi / 2, rtol=1e-14)
    mesh = Mesh.from_faces(project(octant, CRS("+proj=laea +lat_0=30 +lon_0=45 +R=1000000")), np.array([[0, 1, 2]]),
                           "+proj=laea +lat_0=30 +lon_0=45 +R=1000000")  # fmt: skip
    np.testing.assert_allclose(true_areas(mesh), np.pi / 2 * 1e12, rtol=1e-9)


def test_small_faces_keep_their_digits():
    mesh = shifted(jittered_box(side=100.0), 1e6, 1e6, NEXTSIM_CRS)
    np.testing.assert_allclose(np.sqrt(mesh.areas / true_areas(mesh)), scale_factors(mesh), rtol=1e-6)


def test_equal_area_planes_have_scale_one():
    mesh = shifted(jittered_box(), 3e5, -2e5, CRS.from_epsg(3575))
    np.testing.assert_allclose(scale_factors(mesh), 1.0, rtol=1e-4)


def test_nextsim_plane_is_true_at_sixty_north():
    x, y = Proj(NEXTSIM_CRS)(0.0, 60.0)
    mesh = shifted(jittered_box(side=1e3), x, y, NEXTSIM_CRS)
    np.testing.assert_allclose(scale_factors(mesh), 1.0, rtol=1e-3)
    pole = shifted(jittered_box(side=1e3), 0, 0, NEXTSIM_CRS)
    np.testing.assert_allclose(scale_factors(pole), Proj(NEXTSIM_CRS).get_factors(0, 89.99).meridional_scale, rtol=1e-4)


def test_no_plane_no_area(small_mesh):
    with pytest.raises(InputError, match="crs="):
        true_areas(small_mesh)


def test_total_area_of_a_genuine_mesh(shared_data):
    mesh = load_mesh(shared_data / "meshes" / "coast_10km.msh")
    rows = np.arange(0, mesh.n_faces, 7)
    np.testing.assert_allclose(true_areas(mesh)[rows].sum(), geodesic_areas(mesh, rows).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        ((-180, 180), (60, 89), "NpsNextsim"),
        ((10, 60), (70, 82), "NpsNextsim"),
        ((10, 30), (53, 66), "lat_0=60 +lon_0=20"),
        ((0, 360), (-85, -50), "lat_0=-90 +lon_0=0"),
        ((170, 190), (-5, 5), "lon_0=-?180"),
        ((0, 359), (-80, 90), "NpsNextsim"),
    ],
)
def test_the_plane_follows_the_extent(lon, lat, expected, caplog):
    grid = np.meshgrid(np.linspace(*lon, 60), np.linspace(*lat, 30))
    crs = choose_plane(unit_vectors(*grid))
    name = crs.name if crs.name != "unknown" else crs.to_string()
    assert re.search(expected.replace("+", r"\+"), name), name
    assert "crs=" in caplog.text


def test_directions_there_and_back():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 100), rng.uniform(-90, 90, 100)
    np.testing.assert_allclose(np.stack(lonlat(3.0 * unit_vectors(lon + 360, lat))), np.stack([lon, lat]), atol=1e-12)
    vectors = unit_vectors(lon, 60 + lat / 4)
    points = project(vectors, NEXTSIM_CRS)
    np.testing.assert_allclose(points, np.stack(Proj(NEXTSIM_CRS)(lon, 60 + lat / 4), axis=1), atol=1e-4)
    np.testing.assert_allclose(unproject(points, NEXTSIM_CRS), vectors, atol=1e-12)


def test_faces_that_a_plane_cannot_show():
    """One around the point opposite the centre, and one across the cut of a cylinder; the others stay."""
    lon = np.array([0.0, 120, 240, 170, 190, 180, 10, 30, 20])
    vectors = unit_vectors(lon, np.array([-80.0, -80, -80, 0, 0, 5, 0, 0, 5]))
    faces = np.array([[0, 2, 1], [3, 4, 5], [6, 7, 8], [6, 7, 8]])
    for crs, expected in (
        ("+proj=laea +lat_0=90", [False, True, True, True]),
        ("+proj=merc", [False, False, True, True]),
    ):
        plane = CRS(crs)
        assert drawable(vectors, project(vectors, plane), faces).tolist() == expected


def test_planes_without_metres_are_refused():
    with pytest.raises(InputError, match="not a projection in metres"):
        project(unit_vectors(np.zeros(1), np.zeros(1)), CRS.from_epsg(4326))
