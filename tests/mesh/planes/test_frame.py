"""Vectors: angles in closed form, the pole, grid axes, and drift that stays exact from frame to frame."""

import numpy as np
import pytest
from pyproj import CRS, Geod, Proj

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.mesh.planes import (
    NEXTSIM_CRS,
    Frame,
    east_north,
    east_north_at,
    grid_axes,
    local_jacobian,
    plane_axes,
    unit_vectors,
)
from gensim_graph.mesh.planes.frame import frame_of

LON, LAT = (part.ravel() for part in np.meshgrid(np.arange(-180.0, 181, 30), [50.0, 75.0, 89.0, 89.999]))


def angle_between(frame: Frame, angle: np.ndarray) -> float:
    return float(np.abs(np.angle(np.exp(1j * (frame.angle - angle)))).max())


def test_polar_stereographic_angle_is_the_longitude():
    """In a north polar azimuthal plane east points along (cos(lon - lon0), sin(lon - lon0))."""
    assert angle_between(east_north_at(LON, LAT, NEXTSIM_CRS), np.radians(LON + 45)) < 1e-9
    points = np.stack(Proj(NEXTSIM_CRS)(LON, LAT), axis=1)
    assert angle_between(east_north(points, NEXTSIM_CRS), np.radians(LON + 45)) < 1e-9


@pytest.mark.parametrize("longitude", [-170.0, -45.0, 0.0, 123.0])
def test_exact_at_the_pole(longitude):
    north = east_north_at(np.array([longitude]), np.array([90.0]), NEXTSIM_CRS)
    np.testing.assert_allclose(north.angle, np.radians(longitude + 45), atol=1e-9)
    np.testing.assert_allclose(np.hypot(*north.first.T), 1, rtol=1e-12)
    there = east_north(np.zeros((1, 2)), NEXTSIM_CRS)
    assert np.isfinite(there.first).all()
    assert (there.first * there.second).sum() == pytest.approx(0, abs=1e-12)


def test_south_polar_angle():
    """Seen from below, longitude runs clockwise in the plane."""
    lon = np.array([-100.0, 0.0, 60.0])
    north = east_north_at(lon, np.array([-70.0, -80.0, -90.0]), CRS.from_epsg(3031))
    assert angle_between(north, -np.radians(lon)) < 1e-9


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3575", "EPSG:32633", "EPSG:3035"])
def test_convergence_and_scale_of_proj(crs):
    """PROJ's own factors, which it derives per projection."""
    plane = CRS.from_user_input(crs)
    lon, lat = np.array([5.0, 14.0, 20.0]), np.array([60.0, 72.0, 65.0])
    factors = Proj(plane).get_factors(lon, lat)
    jacobian = local_jacobian(unit_vectors(lon, lat), plane)
    np.testing.assert_allclose(np.linalg.det(jacobian), factors.areal_scale, rtol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(jacobian[:, :, 0], axis=1), factors.parallel_scale, rtol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(jacobian[:, :, 1], axis=1), factors.meridional_scale, rtol=1e-7)
    northward = np.degrees(np.arctan2(-jacobian[:, 0, 1], jacobian[:, 1, 1]))
    # PROJ counts from true north to the y axis, clockwise: counter-clockwise from the y axis to north.
    np.testing.assert_allclose(northward, factors.meridian_convergence, atol=1e-6)


def test_a_step_along_a_geodesic():
    """East and north against pyproj's geodesics."""
    lon, lat = np.array([10.0, 200.0]), np.array([82.0, 71.0])
    crs = NEXTSIM_CRS
    geod = Geod(a=crs.ellipsoid.semi_major_metre, b=crs.ellipsoid.semi_minor_metre)
    azimuth = np.array([37.0, -110.0])
    ahead = np.stack(Proj(crs)(*geod.fwd(lon, lat, azimuth, np.full(2, 10.0))[:2]), axis=1)
    step = ahead - np.stack(Proj(crs)(lon, lat), axis=1)
    u, v = east_north_at(lon, lat, crs).to_plane(np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth)))
    np.testing.assert_allclose(np.stack([u, v], axis=1), step / np.linalg.norm(step, axis=1, keepdims=True), atol=1e-5)


def test_there_and_back_keeps_vectors_and_speed():
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 3, len(LON)))
    for frame in (east_north_at(LON, LAT, NEXTSIM_CRS), frame_of(rng.normal(size=(len(LON), 2, 2)))):
        x, y = frame.to_plane(u, v)
        np.testing.assert_allclose(np.hypot(x, y), np.hypot(u, v), rtol=1e-12)
        np.testing.assert_allclose(np.stack(frame.from_plane(x, y)), np.stack([u, v]), atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_axes_of_a_turned_grid(angle, mirrored):
    axis = np.arange(5) * 1e3
    x, y = np.meshgrid(axis, -axis if mirrored else axis)
    turned = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    nodes = np.stack(turned, axis=-1)
    corners = np.stack([nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]], axis=2).reshape(-1, 4, 2)
    frame = grid_axes(corners)
    np.testing.assert_allclose(frame.first, np.tile([np.cos(angle), np.sin(angle)], (16, 1)), atol=1e-12)
    sign = -1 if mirrored else 1
    np.testing.assert_allclose(frame.second, sign * np.tile([-np.sin(angle), np.cos(angle)], (16, 1)), atol=1e-12)


def test_a_sheared_cell_takes_the_closest_right_angles():
    corners = np.array([[[0.0, 0], [1, 0], [1.5, 1], [0.5, 1]]])
    frame = grid_axes(corners)
    assert np.degrees(frame.angle[0]) == pytest.approx(-0.5 * np.degrees(np.arctan2(0.5, 1)))
    assert (frame.first * frame.second).sum() == pytest.approx(0, abs=1e-15)


def polar_mesh(crs: CRS = NEXTSIM_CRS) -> Mesh:
    axis = (np.arange(40) - 19.5) * 25e3
    return Mesh.from_grid(axis, axis, crs=crs)


FLOWS = {  # velocity gradient (u_x, u_y, v_x, v_y) in 1/s -> divergence, shear, vorticity
    "solid-body rotation": ((0.0, -1e-6, 1e-6, 0.0), (0.0, 0.0, 2e-6)),
    "pure strain": ((1e-6, 0.0, 0.0, -1e-6), (0.0, 2e-6, 0.0)),
    "expansion": ((1e-6, 0.0, 0.0, 1e-6), (2e-6, 0.0, 0.0)),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_deformation_of_vectors_given_east_and_north(flow):
    """Written along east and north in closed form, read back: drift to rounding, derivatives exact over the pole."""
    (u_x, u_y, v_x, v_y), expected = FLOWS[flow]
    mesh = polar_mesh()
    x, y = mesh.centres.T
    u, v = u_x * x + u_y * y, v_x * x + v_y * y
    turn = np.arctan2(y, x) + np.pi / 2  # from the plane's x axis to east, around the pole
    east, north = u * np.cos(turn) + v * np.sin(turn), -u * np.sin(turn) + v * np.cos(turn)
    came = east_north(mesh.centres, mesh.crs).to_plane(east, north)
    np.testing.assert_allclose(np.stack(came), np.stack([u, v]), atol=1e-9)
    found = compute_deformation(mesh, *came)
    for values, value in zip((found.divergence, found.shear, found.vorticity), expected, strict=True):
        np.testing.assert_allclose(values, value, atol=1e-12)


def test_a_mesh_without_plane_has_no_north():
    with pytest.raises(InputError, match="crs="):
        east_north(np.zeros((3, 2)), None)


def test_vectors_of_another_length_are_refused():
    with pytest.raises(InputError, match="two components"):
        plane_axes(4).to_plane(np.zeros(3), np.zeros(3))
