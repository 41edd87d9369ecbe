"""Voronoi cells of points: areas and neighbours against brute force."""

import numpy as np
import pytest

from gensim_graph.errors import InputError
from gensim_graph.mesh.points import mesh_from_points

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
    mesh = mesh_from_points(x, y, 8e3, 3413)
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
    mesh = mesh_from_points(*points.T, distance)
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
    mesh = mesh_from_points(*points.T, distance)
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
    mesh = mesh_from_points(np.array([0.0, 1e6]), np.array([0.0, 0.0]), 1e4)
    np.testing.assert_allclose(mesh.areas, np.pi * 1e8, rtol=7e-3)
    assert len(mesh.adjacency) == 0
    assert mesh_from_points(np.array([5.0]), np.array([7.0]), 1e3).n_faces == 1


def test_points_in_a_line():
    mesh = mesh_from_points(np.arange(5) * 1e4, np.zeros(5), 1e4)
    assert len(mesh.adjacency) == 4
    np.testing.assert_allclose(mesh.adjacency.lengths, 2 * np.sqrt(1e8 - 25e6), rtol=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "distance", "message"),
    [
        ([0.0, 1], [0.0], 1.0, "one length"),
        ([], [], 1.0, "at least one"),
        ([0.0, np.nan], [0.0, 1], 1.0, "points 1 are not finite"),
        ([0.0, 1e4], [0.0, 1], 0.0, "max_distance"),
        ([0.0, 1e4], [0.0, 1], np.nan, "max_distance"),
        ([0.0, 1e4, 0.0], [0.0, 1, 0.0], 1e3, "points 0 are there more than once"),
    ],
)
def test_wrong_points(x, y, distance, message):
    with pytest.raises(InputError, match=message):
        mesh_from_points(np.array(x), np.array(y), distance)
