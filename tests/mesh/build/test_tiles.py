"""Seams of tiles: the cells of a whole sphere close, whatever the orientation of the tiles and the corners known."""

import numpy as np
import pytest
from support.tiled import cube, llc, surface_of

from gensim_graph.mesh.build.tile_sides import find_seams, open_sides
from gensim_graph.mesh.build.tiles import completed_corners, tile_corners

TURNS = [(0,) * 6, (1, 2, 3, 0, 1, 2), (3, 3, 0, 2, 1, 1)]


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("n", [4, 12, 25])
def test_a_cubed_sphere_closes(n, turns):
    """V - E + F = 2, no boundary, and an area of 4 pi, from the centres alone."""
    centres, exact = cube(n, turns)
    assert len(find_seams(centres)) == 12
    lattice = tile_corners(centres)
    euler, boundary, area = surface_of(lattice)
    assert (euler, boundary) == (2, 0)
    assert area == pytest.approx(4 * np.pi, rel=1e-9)
    assert np.linalg.norm(lattice - exact, axis=-1).max() < 0.25 * (np.pi / 2) / n


def test_corners_converge():
    """Of second order inside a tile; within a fifth of a cell on a seam, where grid lines have a kink."""
    inside, on_seams = [], []
    for n in (8, 16, 32):
        centres, exact = cube(n, TURNS[1])
        off = np.linalg.norm(tile_corners(centres) - exact, axis=-1)[:, n // 4 : -n // 4]
        inside.append(off[:, :, n // 4 : -n // 4].max())
        on_seams.append(off.max() / (np.pi / 2 / n))
    assert (np.array(inside[:-1]) / inside[1:] > 3.5).all()
    assert max(on_seams) < 0.2


@pytest.mark.parametrize("n", [4, 9, 20])
def test_thirteen_tiles_are_open_in_the_south_only(n):
    """ECCO's LLC grids end at the Antarctic: a disc with 4 n edges around it."""
    centres, exact = llc(n)
    seams = find_seams(centres)
    assert len(seams) == 8 + 12 + 4  # within four faces, between them, and around the cap
    lattice = tile_corners(centres)
    euler, boundary, area = surface_of(lattice)
    assert (euler, boundary) == (1, 4 * n)
    assert area == pytest.approx(4 * np.pi * 5 / 6, rel=0.01 if n > 4 else 0.03)
    assert open_sides(lattice, np.ones(centres.shape[:3], dtype=bool)).sum() == 4 * n
    assert surface_of(exact)[:2] == (1, 4 * n)


def test_a_cap_whose_cells_do_not_fit_those_around_it():
    """Rows of constant latitude around a square of points: sides twice as far apart as cells still meet."""
    n = 6
    axis = np.linspace(-10, 10, n)
    x, y = np.meshgrid(axis, axis)
    around = np.degrees(np.arctan2(y, x))[None]
    north = (90 - np.hypot(x, y) * 4 / 3)[None]
    lon = np.concatenate([np.broadcast_to(start + np.arange(n) * 15.0, (1, n, n)) for start in (-37, 53, 143, 233)])
    lat = np.broadcast_to(np.linspace(15, 62, n)[None, :, None], (4, n, n))
    degrees = np.radians(np.concatenate([around, lon])), np.radians(np.concatenate([north, lat]))
    centres = np.stack(
        [np.cos(degrees[1]) * np.cos(degrees[0]), np.cos(degrees[1]) * np.sin(degrees[0]), np.sin(degrees[1])], axis=-1
    )
    assert surface_of(tile_corners(centres))[:2] == (1, 4 * n)


@pytest.mark.parametrize("block", ["lower left", "lower right", "upper left", "upper right"])
@pytest.mark.parametrize("make", [cube, llc])
def test_one_stored_corner_for_each_cell(make, block):
    """MITgcm's XG and YG lack the last row and column: they come from the next tile, else from the centres."""
    n = 10
    centres, exact = make(n)
    rows, columns = (slice(1, None) if word in block else slice(None, -1) for word in ("upper", "right"))
    stored = exact[:, rows, columns].astype(np.float32).astype(float)
    lattice = completed_corners(stored, centres)
    assert surface_of(lattice)[:2] == ((2, 0) if make is cube else (1, 4 * n))
    off = np.linalg.norm(lattice - exact, axis=-1)
    assert np.median(off) < 1e-6
    assert (off < 1e-6).mean() > 0.9  # all but some on the southern rim


def test_a_missing_tile_leaves_its_seams_open():
    centres, _ = cube(8)
    lattice = tile_corners(centres[:5])
    ocean = np.ones((5, 8, 8), dtype=bool)
    assert surface_of(lattice)[:2] == (1, 32)
    np.testing.assert_array_equal(open_sides(lattice, ocean), [8, 8, 8, 8, 0])
    ocean[0, 0] = False  # land beside the gap is no boundary
    assert open_sides(lattice, ocean)[0] == 0


def test_tiles_without_coordinates_do_not_hinder_the_others():
    """The MITgcm leaves out tiles that are land everywhere."""
    centres, _ = llc(6)
    centres[[0, 11]] = np.nan
    lattice = tile_corners(centres)
    assert np.isfinite(lattice[[1, 6, 12]]).all()
    assert len(find_seams(centres)) == 24 - 3 - 4
