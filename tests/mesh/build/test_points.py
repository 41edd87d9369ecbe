"""Voronoi cells of points: areas and neighbours against brute force."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, quality_report
from gensim_graph.mesh.planes import project, unit_vectors

RNG = np.random.default_rng(3)


def scattered(count: int = 60, side: float = 1e5) -> np.ndarray:
    """Points no closer than a fraction of their mean distance."""
    points = [RNG.uniform(0, side, 2)]
    while len(points) < count:
        new = RNG.uniform(0, side, 2)
        if np.linalg.norm(np.array(points) - new, axis=1).min() > 0.3 * side / count**0.5:
            points.append(new)
    return np.array(points)


def test_a_lattice_gives_squares():
    x, y = (part.ravel() for part in np.meshgrid(np.arange(6) * 1e4, np.arange(5) * 1e4))
    mesh = Mesh.from_points(np.stack([x, y], axis=1), 3413, 8e3)
    assert mesh.n_faces == 30
    inner = (x > 0) & (x < 5e4) & (y > 0) & (y < 4e4)
    np.testing.assert_allclose(mesh.areas[inner], 1e8, rtol=1e-9)
    np.testing.assert_allclose(mesh.centres[inner], np.stack([x, y], axis=1)[inner], atol=1e-3)
    assert len(mesh.adjacency) == 5 * 5 + 6 * 4
    assert mesh.crs.to_epsg() == 3413


@pytest.mark.parametrize("distance", [6e3, 1e4, 3e4])
def test_cells_hold_what_is_nearest_and_near(distance):
    """Monte Carlo: every place belongs to the nearest point, unless that is too far."""
    points = scattered()
    mesh = Mesh.from_points(points, max_distance=distance)
    assert mesh.n_faces == len(points)
    places = RNG.uniform(-4e4, 1.4e5, (200_000, 2))
    apart = np.linalg.norm(places[:, None] - points, axis=2)
    owner, near = apart.argmin(axis=1), apart.min(axis=1) < distance
    share = np.bincount(owner[near], minlength=len(points)) * (1.8e5**2 / len(places))
    assert mesh.areas.sum() == pytest.approx(share.sum(), rel=0.01)
    assert np.abs(mesh.areas - share).max() < 6 * np.sqrt(mesh.areas.max() * 1.8e5**2 / len(places))


def test_neighbours_are_those_whose_cells_touch_within_the_distance():
    """Two cells share a side where the middle of some part of their bisector is nearest to both: sampled densely."""
    points, distance = scattered(25), 1.2e4
    mesh = Mesh.from_points(points, max_distance=distance)
    found = set(map(tuple, np.sort(mesh.adjacency.faces, axis=1).tolist()))
    expected, doubtful = set(), set()
    for i in range(len(points)):
        for j in range(i):
            middle, across = 0.5 * (points[i] + points[j]), points[i] - points[j]
            along = np.array([-across[1], across[0]]) / np.linalg.norm(across)
            line = middle + np.linspace(-distance, distance, 4001)[:, None] * along
            apart = np.linalg.norm(line[:, None] - points, axis=2)
            hits = (apart[:, i] <= apart.min(axis=1) + 1e-6) & (apart[:, i] < distance)
            (expected if hits.sum() > 3 else doubtful).add((j, i)) if hits.any() else None
    assert expected <= found <= expected | doubtful


def test_far_points_are_circles_of_their_own():
    mesh = Mesh.from_points(np.array([[0.0, 0.0], [1e6, 0.0]]), max_distance=1e4)
    np.testing.assert_allclose(mesh.areas, np.pi * 1e8, rtol=7e-3)
    assert len(mesh.adjacency) == 0
    assert Mesh.from_points(np.array([[5.0, 7.0]]), max_distance=1e3).n_faces == 1


def test_points_in_a_line():
    mesh = Mesh.from_points(np.stack([np.arange(5) * 1e4, np.zeros(5)], axis=1), max_distance=1e4)
    assert len(mesh.adjacency) == 4
    np.testing.assert_allclose(mesh.adjacency.lengths, 2 * np.sqrt(1e8 - 25e6), rtol=1e-9)


def test_the_usual_distance_closes_lattices_of_all_kinds():
    """Squares, triangles and the centres of triangles: no gaps inside, and cells of the right area."""
    step = 1e4
    i, j = (part.ravel() for part in np.meshgrid(np.arange(12), np.arange(12)))
    squares = np.stack([i, j], axis=1) * step
    triangles = np.stack([i + 0.5 * j, j * np.sqrt(3) / 2], axis=1) * step
    inside = triangles + np.array([0.5, np.sqrt(3) / 6]) * step
    centres = np.concatenate([inside, inside + np.array([0.5, np.sqrt(3) / 6]) * step])
    for points, area in ((squares, 1.0), (triangles, np.sqrt(3) / 2), (centres, np.sqrt(3) / 4)):
        mesh = Mesh.from_points(points)
        middle = np.linalg.norm(points - points.mean(axis=0), axis=1) < 3 * step
        assert middle.sum() > 20
        np.testing.assert_allclose(mesh.areas[middle], area * step**2, rtol=1e-9)


def test_the_usual_distance_leaves_few_gaps_between_random_points():
    points = RNG.uniform(0, 1e5, (2000, 2))
    mesh = Mesh.from_points(points)
    places = RNG.uniform(1e4, 9e4, (100_000, 2))
    share = (cKDTree(points).query(places)[0] < np.sqrt(mesh.areas.max())).mean()
    assert share > 0.99
    assert 1e10 < mesh.areas.sum() < 1.15e10


def test_points_in_degrees(caplog):
    """Around the pole and over the dateline, in the plane of neXtSIM."""
    lon, lat = (part.ravel() for part in np.meshgrid(np.arange(0.0, 360, 10), np.arange(80.0, 90, 1.0)))
    mesh = Mesh.from_points(np.stack([lon, lat], axis=1), "EPSG:4326")
    assert mesh.crs.name == "NpsNextsim"
    places = project(unit_vectors(lon, lat), mesh.crs)
    owners = cKDTree(places).query(mesh.centres)[1]
    np.testing.assert_array_equal(owners[lat < 88], np.arange(len(lon))[lat < 88])
    assert quality_report(mesh).components == 1


@pytest.mark.parametrize(
    ("points", "distance", "message"),
    [
        ([0.0, 1], 1.0, "shape"),
        (np.empty((0, 2)), 1.0, "at least one"),
        ([["a", "b"]], 1.0, "array of numbers"),
        ([[0.0, 0], [np.nan, 1]], 1.0, "points 1 are not finite"),
        ([[0.0, 0], [1e4, 1]], 0.0, "max_distance"),
        ([[0.0, 0], [1e4, 1]], np.nan, "max_distance"),
        ([[0.0, 0], [1e4, 1], [0.0, 0]], 1e3, "points 2 are there more than once"),
        ([[0.0, 0]], None, "give max_distance"),
    ],
)
def test_wrong_points(points, distance, message):
    with pytest.raises(InputError, match=message):
        Mesh.from_points(np.array(points), max_distance=distance)
