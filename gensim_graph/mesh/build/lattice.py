"""Corners, seams and repeated cells of grids on the globe, found from the coordinates alone.

Global ocean grids are periodic: their columns close around the globe, and some columns are often stored twice. NEMO's
tripolar ORCA grids also have a fold: the two halves of the last row meet each other in the Arctic, and one or two rows
from beyond the fold are often stored as well. Periodic columns and folds are recognised from the positions of the
cells, so the conventions of a model need not be known. Positions are unit vectors (ny, nx, 3).
"""

import numpy as np

from gensim_graph.mesh.geometry import close_pairs
from gensim_graph.mesh.topology import connected_groups
from gensim_graph.typing import Array

_SAME = 1e-3  # in spacings: positions closer than this are the same
_FLOAT32 = 6e-7  # radians, 4 m: three times the rounding of longitudes in float32
_NEAR = (0.5, 1.6)  # in spacings: distance of two cells that are neighbours


def corners_from_centres(centres: Array) -> Array:
    """Corners of cells as the mean of the four centres around them: (ny, nx, 3) -> (ny + 1, nx + 1, 3).

    At a periodic seam and at the fold, the centres on the other side are used. At other ends of the grid, the missing
    centres are extrapolated linearly.
    """
    wide = _with_columns(_with_rows(centres))
    total = wide[:-1, :-1] + wide[1:, :-1] + wide[:-1, 1:] + wide[1:, 1:]
    return total / np.linalg.norm(total, axis=-1, keepdims=True)


def with_first(corners: Array) -> Array:
    """Complete the upper right corners of all cells (f-points of NEMO): (ny, nx, 3) -> (ny + 1, nx + 1, 3).

    If the grid is periodic, the missing first column is copied from the other end. Else it is extrapolated linearly, as
    is the missing first row.
    """
    shared = shared_columns(corners)
    left = 2 * corners[:, 0] - corners[:, 1] if shared is None else corners[:, -1 - shared]
    wide = np.concatenate([left[:, None], corners], axis=1)

    return np.concatenate([(2 * wide[0] - wide[1])[None], wide])


def _with_columns(rows: Array) -> Array:
    """Add one column of centres on each side."""
    shared = shared_columns(rows)
    if shared is None:
        left, right = 2 * rows[:, 0] - rows[:, 1], 2 * rows[:, -1] - rows[:, -2]
    else:
        left, right = rows[:, -1 - shared], rows[:, shared]

    return np.concatenate([left[:, None], rows, right[:, None]], axis=1)


def _with_rows(rows: Array) -> Array:
    """Add one row of centres at each end; the row beyond a fold is the mirror image of a row of the grid."""
    beyond = _beyond_fold(rows)
    top = 2 * rows[-1] - rows[-2] if beyond is None else beyond
    return np.concatenate([(2 * rows[0] - rows[1])[None], rows, top[None]])


def shared_columns(rows: Array) -> int | None:
    """Number of columns at the end that repeat those at the start: 0 in a periodic grid, None if it is not periodic.

    Args:
        rows: (ny, nx, 3) positions.
    """
    step = np.median(_apart(rows[:, 1:], rows[:, :-1]), axis=1)  # spacing of each row

    for count in range(1, min(5, rows.shape[1] // 2)):
        if np.median(_apart(rows[:, -count:], rows[:, :count]) / step[:, None]) < _SAME:
            return count

    gap = np.median(_apart(rows[:, -1], rows[:, 0]) / step)
    return 0 if rows.shape[1] > 3 and _NEAR[0] < gap < _NEAR[1] else None


def _beyond_fold(rows: Array) -> Array | None:
    """Centres (nx, 3) of the row beyond the last one if the grid is folded there, else None."""
    ny, nx, _ = rows.shape
    step = np.median(_apart(rows[-1, 1:], rows[-1, :-1]))
    height = np.median(_apart(rows[-1], rows[-2]))
    period = nx - (shared_columns(rows) or 0)

    for back in range(min(4, ny - 1)):  # the last row may be the mirror image of an earlier row, or of itself
        mirror = _mirror(rows[-1], rows[-1 - back], period)
        if mirror is not None and np.median(_apart(rows[-1], rows[-1 - back][mirror])) < _SAME * step:
            return rows[-2 - back][mirror]

    mirror = _mirror(rows[-1], rows[-1], period)
    if mirror is None:
        return None

    ratio = np.median(_apart(rows[-1], rows[-1][mirror])) / height
    return rows[-1][mirror] if _NEAR[0] < ratio < _NEAR[1] else None


def _mirror(row: Array, other: Array, period: int) -> Array | None:
    """Column of ``other`` that lies opposite each column of ``row`` (nx, 3) if both run in opposite directions.

    None if the row is too short to decide.
    """
    columns = np.arange(len(row))
    probe = period // 4  # far from the two points around which the row is folded
    apart = _apart(other[:period], row[probe])
    around = np.abs(columns[:period] - probe)
    apart[np.minimum(around, period - around) < 3] = np.inf  # if both rows are the same, skip the column itself
    nearest = int(np.argmin(apart))
    mirror = (probe + nearest - columns) % period

    return mirror if period > 8 and np.isfinite(apart[nearest]) else None


def _apart(one: Array, other: Array) -> Array:
    """Distance between positions (..., 3)."""
    return np.linalg.norm(one - other, axis=-1)


def keep_once(centres: Array, tolerance: float) -> Array:
    """Keep one of several cells that have the same centre.

    The copy furthest from the ends of the array is kept, because its corners are not extrapolated.

    Args:
        centres: (ny, nx, 3) unit vectors, NaN where unknown.
        tolerance: centres closer than this are the same, in radians.

    Returns:
        (ny, nx) True for cells to keep.
    """
    shape = centres.shape[:-1]
    known = np.flatnonzero(np.isfinite(centres).all(axis=-1).ravel())
    pairs = close_pairs(centres.reshape(-1, 3)[known], tolerance)
    keep = np.ones(shape, dtype=bool)

    if len(pairs) == 0:
        return keep

    group = connected_groups(pairs, len(known))
    from_rim = _distance_from_rim(shape).ravel()[known]
    order = np.lexsort([known, -from_rim])
    first = order[np.unique(group[order], return_index=True)[1]]
    keep.ravel()[np.delete(known, first)] = False

    return keep


def _distance_from_rim(shape: tuple[int, ...]) -> Array:
    """Number of cells between each cell of an array and the nearest end of the array."""
    along_axes = (np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in shape)
    return np.min(np.meshgrid(*along_axes, indexing="ij"), axis=0)


def tolerance_of(points: Array, faces: Array) -> float:
    """Distance below which two corners are the same point, in radians.

    A thousandth of a short side of the faces; or 4 m, the rounding of degrees in float32, but at most a twentieth of a
    short side.

    Args:
        points: (N, 3) unit vectors of the corners.
        faces: (F, k) corner numbers, padded with -1.
    """
    sides = _apart(points[faces[:, 0]], points[faces[:, 1]])
    sides = sides[np.isfinite(sides) & (sides > 0)]
    short = float(np.percentile(sides, 10)) if len(sides) else 0.0
    return max(_SAME * short, min(_FLOAT32, 0.05 * short), 1e-12)
