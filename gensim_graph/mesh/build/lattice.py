"""Rows and columns of a grid on the globe: how they close, where the corners are, and which cells are there twice.

Global ocean grids are closed in rings (periodic columns, often a few of them stored twice) and folded at the top: the
last row of NEMO's ORCA grids lies on the Arctic, one half against the other, and is stored with one or two rows more
from beyond the fold. All of it is found from the coordinates, whatever the model calls it. Positions are unit vectors
(ny, nx, 3).
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gensim_graph.typing import Array

_SAME = 1e-3  # of a spacing: two positions are one
_FLOAT32 = 6e-7  # radians, 4 m: three times the rounding of longitudes in float32
_NEAR = (0.5, 1.6)  # of a spacing: two cells are neighbours


def corners_from_centres(centres: Array) -> Array:
    """Corners of cells as the mean of the four centres around: (ny, nx, 3) -> (ny + 1, nx + 1, 3).

    Across a periodic seam and the fold the centres beyond are taken; at a rim they are extrapolated linearly.
    """
    wide = _with_columns(_with_rows(centres))
    total = wide[:-1, :-1] + wide[1:, :-1] + wide[:-1, 1:] + wide[1:, 1:]
    return total / np.linalg.norm(total, axis=-1, keepdims=True)


def with_first(corners: Array) -> Array:
    """Upper right corners of every cell to all corners: (ny, nx, 3) -> (ny + 1, nx + 1, 3).

    What NEMO calls the f-points. The first column comes from the other end where the grid is periodic; what is missing
    is extrapolated linearly.
    """
    shared = shared_columns(corners)
    left = 2 * corners[:, 0] - corners[:, 1] if shared is None else corners[:, -1 - shared]
    wide = np.concatenate([left[:, None], corners], axis=1)
    return np.concatenate([(2 * wide[0] - wide[1])[None], wide])


def _with_columns(rows: Array) -> Array:
    """One column more on either side."""
    shared = shared_columns(rows)
    if shared is None:
        left, right = 2 * rows[:, 0] - rows[:, 1], 2 * rows[:, -1] - rows[:, -2]
    else:
        left, right = rows[:, -1 - shared], rows[:, shared]

    return np.concatenate([left[:, None], rows, right[:, None]], axis=1)


def _with_rows(rows: Array) -> Array:
    """One row more at either end; the one beyond the fold is the mirror image of another."""
    beyond = _beyond_fold(rows)
    top = 2 * rows[-1] - rows[-2] if beyond is None else beyond
    return np.concatenate([(2 * rows[0] - rows[1])[None], rows, top[None]])


def shared_columns(rows: Array) -> int | None:
    """How many columns at the end repeat those at the start; 0: the ring closes, None: it does not."""
    step = np.median(_apart(rows[:, 1:], rows[:, :-1]), axis=1)  # of each row
    for count in range(1, min(5, rows.shape[1] // 2)):
        if np.median(_apart(rows[:, -count:], rows[:, :count]) / step[:, None]) < _SAME:
            return count

    gap = np.median(_apart(rows[:, -1], rows[:, 0]) / step)
    return 0 if rows.shape[1] > 3 and _NEAR[0] < gap < _NEAR[1] else None


def _beyond_fold(rows: Array) -> Array | None:
    """The row of centres beyond the last one where the grid is folded there, else None."""
    ny, nx, _ = rows.shape
    step = np.median(_apart(rows[-1, 1:], rows[-1, :-1]))
    height = np.median(_apart(rows[-1], rows[-2]))
    period = nx - (shared_columns(rows) or 0)

    for back in range(min(4, ny - 1)):  # the last row repeats one further back, or itself
        mirror = _mirror(rows[-1], rows[-1 - back], period)
        if mirror is not None and np.median(_apart(rows[-1], rows[-1 - back][mirror])) < _SAME * step:
            return rows[-2 - back][mirror]

    mirror = _mirror(rows[-1], rows[-1], period)
    if mirror is None:
        return None

    ratio = np.median(_apart(rows[-1], rows[-1][mirror])) / height
    return rows[-1][mirror] if _NEAR[0] < ratio < _NEAR[1] else None


def _mirror(row: Array, other: Array, period: int) -> Array | None:
    """Column of ``other`` that faces each column of ``row``, if one runs against the other; else None."""
    columns = np.arange(len(row))
    probe = period // 4  # away from the two points around which the row is folded
    apart = _apart(other[:period], row[probe])
    around = np.abs(columns[:period] - probe)
    apart[np.minimum(around, period - around) < 3] = np.inf  # a row may be its own mirror image
    nearest = int(np.argmin(apart))
    mirror = (probe + nearest - columns) % period

    return mirror if period > 8 and np.isfinite(apart[nearest]) else None


def _apart(one: Array, other: Array) -> Array:
    return np.linalg.norm(one - other, axis=-1)


def keep_once(centres: Array, tolerance: float) -> Array:
    """Which cells to keep where several have the same centre: (ny, nx, 3) -> (ny, nx) bool.

    Of copies the one furthest from the rim of the array stays: its corners are not extrapolated.
    """
    shape = centres.shape[:-1]
    known = np.flatnonzero(np.isfinite(centres).all(axis=-1).ravel())
    pairs = cKDTree(centres.reshape(-1, 3)[known]).query_pairs(tolerance, output_type="ndarray")
    keep = np.ones(shape, dtype=bool)

    if len(pairs) == 0:
        return keep

    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(known), len(known)))
    group = connected_components(links, directed=False)[1]
    from_rim = _distance_from_rim(shape).ravel()[known]
    order = np.lexsort([known, -from_rim])
    first = order[np.unique(group[order], return_index=True)[1]]
    keep.ravel()[np.delete(known, first)] = False

    return keep


def _distance_from_rim(shape: tuple[int, ...]) -> Array:
    return np.min(np.meshgrid(*(np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in shape), indexing="ij"), axis=0)


def tolerance_of(points: Array, faces: Array) -> float:
    """How close two positions are one: a thousandth of a short side, or 4 m, which float32 degrees need.

    The 4 m only where they are less than a twentieth of a short side.

    Args:
        points: unit vectors (N, 3).
        faces: (F, k), padded with -1.
    """
    sides = _apart(points[faces[:, 0]], points[faces[:, 1]])
    sides = sides[np.isfinite(sides) & (sides > 0)]
    short = float(np.percentile(sides, 10)) if len(sides) else 0.0
    return max(_SAME * short, min(_FLOAT32, 0.05 * short), 1e-12)
