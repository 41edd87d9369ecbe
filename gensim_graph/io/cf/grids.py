"""Gridded datasets as meshes: regular, rotated and curvilinear grids, and cells with corners of their own.

A grid of any model becomes cells with corners on the globe (or in its plane). Cells that the grid holds twice are
dropped, seams and folds close where corners coincide, and land is left out. Coordinates are found by
:mod:`~gensim_graph.io.coordinates`; :mod:`~gensim_graph.mesh.build.lattice` explains how a grid closes.
"""

import logging

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from gensim_graph.errors import InputError
from gensim_graph.io.cf.masks import find_ocean
from gensim_graph.io.cf.stacked_faces import refuse_stacked_faces
from gensim_graph.io.cf.stored_angles import stored_axes
from gensim_graph.io.cf.stored_corners import (
    find_bounds,
    find_lattice,
    find_lower_left,
    find_upper_right,
    known_corners,
)
from gensim_graph.io.coordinates import Coordinates, find_coordinates
from gensim_graph.io.file_mesh import FileMesh, FilePositions
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.build import (
    axis_lattice,
    completed_corners,
    corners,
    corners_from_centres,
    globe_cells,
    known_degrees,
    open_sides,
    quadrilaterals,
    straight_axes,
    tile_corners,
    tile_quadrilaterals,
    with_first,
)
from gensim_graph.mesh.operators import in_plane
from gensim_graph.mesh.planes import (
    Frame,
    axes_of_plane,
    axes_on_globe,
    east_north,
    east_north_at,
    grid_axes,
    plane_axes,
    unit_vectors,
)
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_AT_THE_BOUND = 1e-3  # of the width of a cell
_STEP = 1e-4  # degrees: the square of it in radians is below the rounding of a direction


def read_grid(ds: xr.Dataset, crs: CRS | None = None, ocean: Array | None = None) -> FileMesh:
    """Return the ocean cells of a gridded dataset as a mesh, with their positions in the grid.

    Args:
        ds: a dataset with coordinates of its cells.
        crs: plane of the mesh. By default it is chosen from the extent, if the coordinates are degrees.
        ocean: True at ocean cells, in the shape of the grid; the mask of the dataset by default.

    Raises:
        InputError: no coordinates, coordinates that are missing at ocean cells, a mask that does not fit, or cells that
            overlap.
    """
    where = find_coordinates(ds, crs)
    if len(where.dims) > 1 and min(where.shape[-2:]) < 2:
        raise InputError(f"a grid needs at least 2 x 2 cells to tell their size; got {where.shape}")

    refuse_stacked_faces(where)
    water = find_ocean(ds, where) if ocean is None else ocean
    if not water.any():
        raise InputError("the grid has no ocean cell: the mask is land everywhere, or the fields have no values")
    if where.kind == "plane":
        return _in_plane(where, water, crs)

    return _on_globe(ds, where, water, crs)


def _in_plane(where: Coordinates, ocean: Array, crs: CRS | None) -> FileMesh:
    x, y = where.as_arrays()
    axes = straight_axes(x, y)
    mesh = Mesh.from_grid(*(axes or (x, y)), ocean, where.crs or crs)
    assert mesh.grid_index is not None
    frame = plane_axes(mesh.n_faces)

    if axes is None:  # a curvilinear grid
        lattice = np.stack([corners(part) for part in (x, y)], axis=-1).reshape(-1, 2)
        frame = grid_axes(lattice[quadrilaterals(where.shape)[mesh.grid_index]])

    if where.crs is not None and crs is not None and crs != where.crs:
        mesh = in_plane(mesh, crs)
        frame = axes_of_plane(mesh.centres, crs, where.crs).to_plane_of(frame)

    directions = east_north(mesh.centres, mesh.crs) if mesh.crs else None
    return FileMesh(mesh, FilePositions(where.dims, mesh.grid_index, frame, directions))  # type: ignore[arg-type]


def _on_globe(ds: xr.Dataset, where: Coordinates, ocean: Array, crs: CRS | None) -> FileMesh:
    lon, lat = _degrees(where)
    centres = unit_vectors(lon, lat)
    nodes, faces = _cells_of(ds, where, centres)
    if len(where.dims) == 3 and len(nodes) == np.prod([*where.shape[:-2], *(size + 1 for size in where.shape[-2:])]):
        _report_open_sides(where, nodes, ocean)

    axes = straight_axes(*where.as_arrays()) if len(where.dims) == 2 else None
    arrays, index = globe_cells(centres, nodes, faces, ocean, axes, crs)
    mesh = Mesh.from_arrays(arrays)
    assert mesh.crs is not None  # globe_cells always chooses a plane

    directions = east_north_at(lon.ravel()[index], lat.ravel()[index], mesh.crs)
    grid_directions = _axes(where, centres, index, mesh.crs)
    if grid_directions is not None:
        grid_directions = stored_axes(ds, where, index, directions, grid_directions)

    return FileMesh(mesh, FilePositions(where.dims, index, grid_directions or directions, directions))


def _report_open_sides(where: Coordinates, nodes: Array, ocean: Array) -> None:
    """Warn of ocean cells on the rim of a tile that have no neighbour in another tile."""
    tiles, ny, nx = where.shape
    count = open_sides(nodes.reshape(tiles, ny + 1, nx + 1, 3), ocean)
    if count.any():
        log.warning(
            "%d edges of ocean cells on the rim of the tiles %s meet no other tile: they are a boundary of the mesh",
            count.sum(), ", ".join(map(str, np.flatnonzero(count))),
        )  # fmt: skip


def _degrees(where: Coordinates) -> tuple[Array, Array]:
    """Longitude and latitude of every cell in degrees, in the shape of the grid; NaN where the file has none."""
    x, y = where.as_arrays()
    if len(where.dims) == 2 and x.ndim == 1:
        x, y = np.meshgrid(x, y)
    if where.kind == "rotated":
        return _from_rotated(where, x, y)

    return known_degrees(x, y)


def _from_rotated(where: Coordinates, x: Array, y: Array) -> tuple[Array, Array]:
    """Longitude and latitude from those of the rotated globe, all in degrees."""
    assert where.crs is not None  # find_coordinates gives one to a rotated grid
    rotated = where.crs.geodetic_crs
    if rotated is None or rotated.source_crs is None:
        raise InputError(f"the grid mapping '{where.crs.name}' is no rotated pole; expected rotated_latitude_longitude")
    return Transformer.from_crs(where.crs, rotated.source_crs, always_xy=True).transform(x, y)


def _cells_of(ds: xr.Dataset, where: Coordinates, centres: Array) -> tuple[Array, Array]:
    """Corners of all cells as directions (N, 3), and the faces over them (F, k)."""
    x, y = where.as_arrays()
    bounds = find_bounds(ds, where) if where.kind == "globe" else None

    if bounds is not None and not (x.ndim == 1 and len(where.dims) == 2):
        nodes = unit_vectors(*known_corners(*bounds)).reshape(-1, 3)
        return nodes, np.arange(len(nodes)).reshape(-1, bounds[0].shape[-1])

    if len(where.dims) == 1:
        raise InputError(
            f"cells along '{where.dims[0]}' have centres but no corners; expected lon_bnds and lat_bnds or UGRID. From "
            f"centres alone, with Python: points = np.stack([ds['{where.x.name}'], ds['{where.y.name}']], axis=1); "
            "mesh = gg.Mesh.from_points(points, 'EPSG:4326'); gg.open_store(FILE, mesh=mesh)"
        )

    stored = find_lattice(ds, where)
    if stored is not None or len(where.dims) == 3:
        lattices = _tile_lattices(ds, where, centres) if stored is None else unit_vectors(*stored)
        return lattices.reshape(-1, 3), tile_quadrilaterals(where.shape)

    axes = straight_axes(x, y)
    upper_right, lower_left = find_upper_right(ds, where), find_lower_left(ds, where)
    if upper_right is not None:
        lattice = with_first(unit_vectors(*upper_right))
    elif lower_left is not None:  # the same, seen from the other end
        lattice = with_first(unit_vectors(*lower_left)[::-1, ::-1])[::-1, ::-1]
    elif axes is None:
        lattice = corners_from_centres(centres)
    else:
        lon, lat = (bounds and _bounded_lattice(axes, bounds)) or axis_lattice(*axes)
        lon, lat = _from_rotated(where, lon, lat) if where.kind == "rotated" else (lon, lat)
        lattice = unit_vectors(lon, lat)

    return lattice.reshape(-1, 3), quadrilaterals(where.shape)


def _tile_lattices(ds: xr.Dataset, where: Coordinates, centres: Array) -> Array:
    """Corners of the cells of tiles (tile, ny + 1, nx + 1, 3), stored for each cell or computed from the centres."""
    stored = find_lower_left(ds, where)
    return tile_corners(centres) if stored is None else completed_corners(unit_vectors(*stored), centres)


def _bounded_lattice(axes: tuple[Array, Array], bounds: tuple[Array, Array]) -> tuple[Array, Array] | None:
    """Corners of a grid from the bounds of its axes: two arrays (ny + 1, nx + 1).

    Args:
        axes: longitude (nx,) and latitude (ny,) of the cell centres, degrees.
        bounds: bounds of both axes, (nx, 2) and (ny, 2) degrees.

    Returns:
        None, with a warning, if bounds leave gaps (every second cell of a file), overlap, or are not around the cells.
    """
    lon, lat = (_joined(*pair) for pair in zip(axes, bounds, strict=True))
    if lon is None or lat is None:
        log.warning(
            "the bounds of the %s leave gaps, overlap, or do not enclose the cells: they are not used",
            "longitude" if lon is None else "latitude",
        )
        return None

    columns, rows = np.meshgrid(lon, np.clip(lat, -90.0, 90.0))
    return columns, rows


def _joined(centres: Array, bounds: Array) -> Array | None:
    """Join adjacent intervals (n, 2) degrees around centres (n,), increasing or decreasing, to their ends (n + 1,)."""
    for low, high in (bounds.T, bounds.T[::-1]):
        width = _turn(high - low)
        share = _turn(centres - low) / np.where(width == 0, np.nan, width)  # 0 at the lower bound, 1 at the upper one
        is_inside = (share >= -_AT_THE_BOUND) & (share <= 1.0 + _AT_THE_BOUND)
        if is_inside.all() and np.allclose(_turn(high[:-1] - low[1:]), 0.0, atol=1e-4):
            return np.append(low, high[-1])

    return None


def _turn(angle: Array) -> Array:
    """Difference of two longitudes or latitudes, between -180 and 180 degrees."""
    return (angle + 180.0) % 360.0 - 180.0


def _axes(where: Coordinates, centres: Array, index: Array, plane: CRS) -> Frame | None:
    """Directions of the axes of a grid on the globe; None if they are east and north."""
    x, y = where.as_arrays()
    if where.kind == "rotated":
        return _rotated_axes(where, x, y, index, plane)
    if len(where.dims) == 1 or (len(where.dims) == 2 and straight_axes(x, y)):
        return None

    lattice = tile_corners(centres) if len(where.dims) == 3 else corners_from_centres(centres)
    right = lattice[..., 1:, 1:, :] + lattice[..., :-1, 1:, :]
    left = lattice[..., 1:, :-1, :] + lattice[..., :-1, :-1, :]
    upper = lattice[..., 1:, 1:, :] + lattice[..., 1:, :-1, :]
    lower = lattice[..., :-1, 1:, :] + lattice[..., :-1, :-1, :]
    x_step, y_step = (part.reshape(-1, 3)[index] for part in (right - left, upper - lower))

    return axes_on_globe(centres.reshape(-1, 3)[index], x_step, y_step, plane)


def _rotated_axes(where: Coordinates, x: Array, y: Array, index: Array, plane: CRS) -> Frame:
    """Directions of increasing rotated longitude and latitude, also if an axis is stored in decreasing order."""
    lon, lat = (part.ravel()[index] for part in (np.meshgrid(x, y) if x.ndim == 1 else (x, y)))
    differences = []

    for lon_step, lat_step in np.eye(2) * _STEP:
        ahead = unit_vectors(*_from_rotated(where, lon + lon_step, lat + lat_step))
        behind = unit_vectors(*_from_rotated(where, lon - lon_step, lat - lat_step))
        differences.append(ahead - behind)

    return axes_on_globe(unit_vectors(*_from_rotated(where, lon, lat)), differences[0], differences[1], plane)
