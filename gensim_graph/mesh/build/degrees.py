"""Meshes of grids on the globe, given by the longitudes and latitudes of their cells.

A grid closes around the globe, and at the fold of a tripolar grid, because corners at the same point become one node
(:mod:`~gensim_graph.mesh.build.lattice`). Cells that a file stores twice are kept once. Land cells are left out. The
result lies in a plane.
"""

from dataclasses import replace

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays
from gensim_graph.mesh.build.bare_land import sides_facing_bare_land
from gensim_graph.mesh.build.cells import CornerCells, arrays_of_cells
from gensim_graph.mesh.build.grid import ocean_mask, quadrilaterals
from gensim_graph.mesh.build.lattice import corners_from_centres, keep_once, tolerance_of
from gensim_graph.mesh.planes import choose_plane, unit_vectors
from gensim_graph.mesh.validity import first_few
from gensim_graph.typing import Array

_MOST_FILLS = 16
"""No file uses more pairs of longitude and latitude for land."""

_FAR = 30.0
"""In median distances of neighbours: a cell farther than this from all its neighbours is in a wrong position."""


def degree_grid(lon: Array, lat: Array, mask: Array | None) -> MeshArrays:
    """Build a mesh of the cells around longitudes and latitudes, in a plane chosen from the extent of the ocean.

    Args:
        lon: degrees east, axis (nx,) or array (ny, nx).
        lat: degrees north, axis (ny,) or array (ny, nx).
        mask: (ny, nx), True = ocean; None: ocean everywhere.

    Raises:
        InputError: longitudes and latitudes of different shapes, a mask that does not fit, fewer than 2 x 2 cells,
            ocean cells without coordinates, or cells that overlap.
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)

    if lon.ndim not in (1, 2) or lon.ndim != lat.ndim or (lon.ndim == 2 and lon.shape != lat.shape):
        raise InputError(f"a grid needs two 1-D axes or two 2-D arrays of one shape; got {lon.shape} and {lat.shape}")

    shape = lon.shape if lon.ndim == 2 else (len(lat), len(lon))
    if min(shape) < 2:
        raise InputError(f"a grid needs at least 2 x 2 cells to tell their size; got {shape}")

    ocean = ocean_mask(mask, shape)
    axes = straight_axes(lon, lat)
    columns, rows = np.meshgrid(lon, lat) if lon.ndim == 1 else (lon, lat)
    centres = unit_vectors(*known_degrees(columns, rows))
    lattice = corners_from_centres(centres) if axes is None else unit_vectors(*axis_lattice(*axes))
    arrays, _ = globe_cells(centres, lattice.reshape(-1, 3), quadrilaterals(shape), ocean, axes)

    return arrays


def globe_cells(
    centres: Array,
    nodes: Array,
    faces: Array,
    ocean: Array,
    axes: tuple[Array, Array] | None = None,
    crs: CRS | None = None,
) -> tuple[MeshArrays, Array]:
    """Build a mesh of cells with known corners, without land and without repeated cells.

    Args:
        centres: (*shape, 3) unit vectors of the cell centres; shape is (ny, nx), (tile, ny, nx), or (cells,) without a
            grid.
        nodes: (N, 3) unit vectors of the corners.
        faces: (cells, k) corner numbers of each cell, in the order of the grid, padded with -1.
        ocean: (*shape,) True = ocean.
        axes: longitudes (nx,) and latitudes (ny,) in degrees if rows and columns of the grid follow them, else None.
        crs: plane of the mesh; by default it is chosen from the extent of the ocean.

    Returns:
        The mesh, and the flat position (F,) in the grid of each face.

    Raises:
        InputError: ocean cells without coordinates, or cells that overlap.
    """
    tolerance = tolerance_of(nodes, faces)
    kept = np.flatnonzero(_stored_once(centres, axes, tolerance))
    water = ocean.ravel()[kept]
    _refuse_missing(nodes, faces[kept[water]], kept[water])

    plane = crs or choose_plane(centres[ocean])
    table, is_water = _with_bare_coast(nodes, faces, faces[kept], ocean, water)
    arrays, rows = arrays_of_cells(CornerCells(nodes, table, is_water, tolerance), plane)
    index = kept[rows]

    if ocean.ndim == 2:
        arrays = replace(arrays, grid_shape=ocean.shape, grid_index=index)

    return arrays, index


def _with_bare_coast(nodes: Array, faces: Array, table: Array, ocean: Array, water: Array) -> tuple[Array, Array]:
    """Add a face of two corners for each side of the ocean behind which land has no corners, as a part of the land."""
    have_own_corners = faces.size == len(nodes) and ocean.ndim == 2
    if not have_own_corners or faces.min() < 0:
        return table, water

    sides = sides_facing_bare_land(nodes, faces, ocean)
    extra = np.pad(sides, ((0, 0), (0, table.shape[1] - 2)), constant_values=-1)
    return np.concatenate([table, extra]), np.concatenate([water, np.zeros(len(extra), dtype=bool)])


def known_degrees(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Replace fill values of longitude and latitude by NaN.

    Fill values are out of range; or several cells next to each other have the same coordinates, as on the land that
    NEMO leaves out (0 E, 0 N or -1 E, -1 N); or a single cell lies far from all cells around it.

    Args:
        lon: degrees east, any shape.
        lat: degrees north, the same shape.

    Returns:
        Longitude and latitude, NaN where the model has no cell.
    """
    missing = ~(np.abs(lat) <= 90.0 + 1e-6) | ~(np.abs(lon) <= 720.0)
    is_zero = (lon == 0.0) & (lat == 0.0)  # NEMO fills land processors with zeros
    if np.count_nonzero(is_zero) > 1:
        missing |= is_zero

    if lon.ndim >= 2:
        missing |= _is_repeated(lon, lat, missing)
        missing |= _is_displaced(lon, lat, missing)

    return np.where(missing, np.nan, lon), np.where(missing, np.nan, np.clip(lat, -90.0, 90.0))


def _is_repeated(lon: Array, lat: Array, missing: Array) -> Array:
    """Find the cells with coordinates that three cells in a row or column have, at a pole in a row and in a column.

    Two of them may be equal where a grid is folded, and all of a row at a pole.
    """
    runs = [_third_of_equals(lon, lat, axis) & ~missing for axis in (lon.ndim - 2, lon.ndim - 1)]
    at_pole = np.abs(lat) >= 90.0 - 1e-6
    fills = [np.stack([lon, lat], axis=-1)[run & ~at_pole] for run in runs]
    fills.append(np.stack([lon, lat], axis=-1)[runs[0] & runs[1]])

    repeated = np.zeros(lon.shape, dtype=bool)
    for fill_lon, fill_lat in np.unique(np.concatenate(fills), axis=0)[:_MOST_FILLS]:
        repeated |= (lon == fill_lon) & (lat == fill_lat)

    return repeated


def _third_of_equals(lon: Array, lat: Array, axis: int) -> Array:
    """Find the cells with the coordinates of the two cells before them along an axis."""
    same = (np.diff(lon, axis=axis) == 0) & (np.diff(lat, axis=axis) == 0)
    first, second = (np.take(same, range(start, same.shape[axis] - 1 + start), axis=axis) for start in (0, 1))
    width = [(0, 0)] * lon.ndim
    width[axis] = (min(2, lon.shape[axis]), 0)
    return np.pad(first & second, width)


def _is_displaced(lon: Array, lat: Array, missing: Array) -> Array:
    """Find the cells of a grid that lie far from all cells beside, above and below them."""
    vectors = unit_vectors(np.where(missing, np.nan, lon), np.where(missing, np.nan, lat))
    nearest = np.full(lon.shape, np.inf)

    for axis in (lon.ndim - 2, lon.ndim - 1):
        apart = np.linalg.norm(np.diff(vectors, axis=axis), axis=-1)
        apart = np.where(np.isfinite(apart), apart, np.inf)
        for cut in (slice(None, -1), slice(1, None)):
            part = nearest[(..., cut, slice(None)) if axis == lon.ndim - 2 else (..., cut)]
            np.minimum(part, apart, out=part)

    known = np.isfinite(nearest)
    return known & (nearest > _FAR * np.median(nearest[known])) if known.any() else known


def straight_axes(x: Array, y: Array) -> tuple[Array, Array] | None:
    """Return the two axes (nx,) and (ny,) of a grid, or None if the grid is curvilinear.

    Args:
        x: axis (nx,) or array (ny, nx), in any unit.
        y: axis (ny,) or array (ny, nx), in the same unit.
    """
    if x.ndim == 1:
        return x, y

    same_columns = np.allclose(x, x[:1], rtol=0, atol=1e-5 * np.ptp(x))
    same_rows = np.allclose(y, y[:, :1], rtol=0, atol=1e-5 * np.ptp(y))
    return (x[0], y[:, 0]) if same_columns and same_rows else None


def axis_lattice(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Corners of the cells of a regular grid on the globe, halfway between the cell centres.

    Args:
        lon: (nx,) longitudes of the columns, degrees; values beyond 360 are allowed.
        lat: (ny,) latitudes of the rows, degrees.

    Returns:
        Longitudes and latitudes of the corners, (ny + 1, nx + 1) each, degrees.
    """
    edges = _halfway(np.unwrap(lon, period=360.0)), _halfway(lat)
    columns, rows = np.meshgrid(edges[0], np.clip(edges[1], -90.0, 90.0))
    return columns, rows


def _halfway(axis: Array) -> Array:
    """Limits of the intervals around the values of an axis, halfway to the neighbours: (n,) -> (n + 1,)."""
    inner = 0.5 * (axis[1:] + axis[:-1])
    return np.concatenate([[2 * axis[0] - inner[0]], inner, [2 * axis[-1] - inner[-1]]])


def _stored_once(centres: Array, axes: tuple[Array, Array] | None, tolerance: float) -> Array:
    """Find the cells to keep if a grid stores some columns, or the rows at a fold, twice: (cells,) bool."""
    shape = centres.shape[:-1]
    if len(shape) != 2:  # cells along one dimension, or tiles, are stored once
        return np.ones(int(np.prod(shape)), dtype=bool)
    if axes is None:
        return keep_once(centres, tolerance).ravel()

    # In a regular grid only columns are stored twice. Cells around a pole share a centre, but they are different cells.
    _, first = np.unique(np.round(axes[0] % 360.0, 4) % 360.0, return_index=True)
    return np.broadcast_to(np.isin(np.arange(len(axes[0])), first), shape).ravel()


def _refuse_missing(nodes: Array, faces: Array, cells: Array) -> None:
    """Raise an error that names the ocean cells (numbers ``cells``) without coordinates at a corner."""
    bad = cells[~np.isfinite(nodes[faces]).all(axis=(1, 2))]
    if len(bad):
        raise InputError(
            f"ocean cells {first_few(bad)} have no coordinates at one of their corners; land next to the ocean needs "
            "longitude and latitude too, or give the corners of the cells (lon_bnds, lat_bnds)"
        )
