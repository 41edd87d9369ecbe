"""Meshes of quadrilaterals from the cell centres of a regular or curvilinear grid in a plane.

Arrays of a grid are (ny, nx): rows along y, columns along x. The flat position of a cell is ``row * nx + column``; its
corners are an array (ny + 1, nx + 1) that is numbered in the same way.
"""

from dataclasses import replace

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays, assemble, named_boundaries
from gensim_graph.mesh.geometry import signed_areas
from gensim_graph.mesh.topology import edge_table
from gensim_graph.mesh.validity import reversed_faces
from gensim_graph.typing import Array


def plane_grid(x: Array, y: Array, mask: Array | None, crs: CRS | None) -> MeshArrays:
    """Build quadrilaterals around the cell centres of a grid in a plane; land cells are left out.

    Args:
        x: x of the cell centres in m, axis (nx,) or array (ny, nx).
        y: y of the cell centres in m, axis (ny,) or array (ny, nx).
        mask: (ny, nx), True = ocean; None: ocean everywhere.
        crs: the plane, or None for an idealised one.

    Raises:
        InputError: shapes that do not fit, no ocean cell, or cells that overlap.
    """
    x, y = centres_2d(x, y)
    ocean = ocean_mask(mask, x.shape)
    nodes = np.stack([corners(x).ravel(), corners(y).ravel()], axis=1)
    cells = np.flatnonzero(ocean)
    faces = quadrilaterals(x.shape)[cells]

    if np.median(signed_areas(nodes, faces)) < 0:  # one of the axes decreases
        faces = reversed_faces(faces)

    table = edge_table(faces, len(nodes))
    boundaries = coast_and_rim(table.nodes[table.single], ocean)
    arrays = assemble(nodes, faces, crs, boundaries, defects="refuse")

    return replace(arrays, grid_shape=x.shape, grid_index=cells)


def centres_2d(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the cell centres of a grid as two arrays (ny, nx), m.

    Args:
        x: axis (nx,) or curvilinear coordinates (ny, nx), m.
        y: axis (ny,) or curvilinear coordinates (ny, nx), m.

    Raises:
        InputError: shapes that do not fit together, fewer than two cells in a direction, an axis that is not
            monotonic, or values that are not finite.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    if x.ndim == 1 and y.ndim == 1:
        _refuse_unordered(x, "x")
        _refuse_unordered(y, "y")
        x, y = np.meshgrid(x, y)

    if x.ndim != 2 or x.shape != y.shape:
        raise InputError(f"a grid needs two 1-D axes or two 2-D arrays of one shape; got x {x.shape} and y {y.shape}")
    if min(x.shape) < 2:
        raise InputError(f"a grid needs at least 2 x 2 cell centres to tell the size of its cells; got {x.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("grid coordinates are not finite everywhere; land needs coordinates too, mask it instead")

    return x, y


def _refuse_unordered(axis: Array, name: str) -> None:
    """Raise an error if an axis (n,) is not strictly monotonic."""
    steps = np.diff(axis)
    if (steps >= 0).any() and (steps <= 0).any():
        raise InputError(f"the {name} axis of the grid must increase or decrease throughout")


def corners(centres: Array) -> Array:
    """Corners of cells from their centres, for one coordinate: (ny, nx) -> (ny + 1, nx + 1).

    An inner corner is the mean of the four centres around it; corners on the rim are extrapolated linearly. This is
    exact for constant spacing. Cells have no gaps between them, whatever the spacing.
    """
    padded = np.pad(centres, 1, mode="reflect", reflect_type="odd")
    return 0.25 * (padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:])


def quadrilaterals(shape: tuple[int, ...]) -> Array:
    """Corner numbers of all cells of a grid of shape (ny, nx): (ny nx, 4).

    They are counter-clockwise if x increases with the column and y with the row.
    """
    ny, nx = shape
    first = (np.arange(ny)[:, None] * (nx + 1) + np.arange(nx)).ravel()
    return np.stack([first, first + 1, first + nx + 2, first + nx + 1], axis=1)


def ocean_mask(mask: Array | None, shape: tuple[int, ...]) -> Array:
    """Return a land-sea mask as booleans, True = ocean.

    Args:
        mask: True or 1 = ocean, False or 0 = land; None: ocean everywhere.
        shape: shape of the grid.

    Raises:
        InputError: wrong shape, values other than 0 and 1, or no ocean cell.
    """
    if mask is None:
        return np.ones(shape, dtype=bool)

    values = np.asarray(mask)
    if values.shape != shape:
        raise InputError(f"the mask has shape {values.shape}, the grid {shape} (rows y, columns x)")

    ocean = values.astype(bool)
    if not np.array_equal(ocean, values):
        raise InputError("the mask must hold True or 1 for ocean and False or 0 for land only")

    if not ocean.any():
        raise InputError("the mask leaves no ocean cell (True or 1 = ocean)")

    return ocean


def coast_and_rim(edges: Array, ocean: Array) -> dict[str, Array]:
    """Name the boundary edges of a masked grid: ``coast`` next to land, ``open`` on the rim of the grid.

    Args:
        edges: (E, 2) corner numbers of the boundary edges.
        ocean: (ny, nx) mask, True = ocean.

    Returns:
        Name -> node pairs; empty if there is no land, because nothing is known about the rim then.
    """
    if ocean.all():
        return {}

    ny, nx = ocean.shape
    row, column = np.divmod(edges, nx + 1)
    along_row, along_column = row[:, 0] == row[:, 1], column[:, 0] == column[:, 1]
    rim = (along_row & np.isin(row[:, 0], (0, ny))) | (along_column & np.isin(column[:, 0], (0, nx)))

    return named_boundaries(edges, ~rim, rim)
