"""Gridded datasets as meshes: regular, rotated and curvilinear grids, and cells with corners of their own.

Whatever the model, a grid becomes cells with corners on the globe (or in its plane), cells that are there twice are
dropped, seams and folds close where corners coincide, and land goes. See :mod:`~gensim_graph.mesh.coordinates` for what
is recognised, :mod:`~gensim_graph.mesh.lattice` for how a grid closes.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from gensim_graph.errors import InputError
from gensim_graph.mesh.cells import Cells, mesh_of_cells
from gensim_graph.mesh.coordinates import Coordinates, find_coordinates
from gensim_graph.mesh.frame import Frame, east_north, east_north_at, grid_axes, plane_axes
from gensim_graph.mesh.grid import corners, quadrilaterals
from gensim_graph.mesh.lattice import corners_from_centres, keep_once, tolerance_of, with_first
from gensim_graph.mesh.masks import find_bounds, find_ocean, find_upper_right
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.plane import choose_plane, project, unit_vectors
from gensim_graph.mesh.reproject import in_plane
from gensim_graph.mesh.validity import first_few
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Grid:
    """A mesh and how a gridded file relates to it.

    Attributes:
        mesh: the ocean cells; ``grid_index`` is the flat position of each face in the file.
        dims: dimensions of the file that hold the cells.
        axes: directions of the x and y axis of the grid at every face.
        compass: east and north at every face, or None where the plane of the mesh is unknown.
    """

    mesh: Mesh
    dims: tuple[str, ...]
    axes: Frame
    compass: Frame | None


def read_grid(ds: xr.Dataset, crs: CRS | None = None, ocean: Array | None = None) -> Grid:
    """The grid of a dataset.

    Args:
        ds: a dataset with coordinates of its cells.
        crs: plane of the mesh; chosen from the extent where the coordinates are degrees.
        ocean: which cells are ocean, in the shape of the grid; the mask of the dataset by default.

    Raises:
        InputError: no coordinates, coordinates that are missing at ocean cells, a mask that does not fit, or cells that
            overlap.
    """
    where = find_coordinates(ds)
    if len(where.dims) == 2 and min(where.shape) < 2:
        raise InputError(f"a grid needs at least 2 x 2 cells to tell their size; got {where.shape}")
    water = find_ocean(ds, where) if ocean is None else ocean
    if not water.any():
        raise InputError("the grid has no ocean cell: the mask is land everywhere, or the fields have no values")
    if where.kind == "plane":
        return _in_plane(where, water, crs)
    return _on_globe(ds, where, water, crs)


def _in_plane(where: Coordinates, ocean: Array, crs: CRS | None) -> Grid:
    x, y = where.in_double()
    axes = _as_axes(x, y)
    mesh = Mesh.from_grid(*(axes or (x, y)), ocean, where.crs or crs)
    assert mesh.grid_index is not None
    frame = plane_axes(mesh.n_faces)
    if axes is None:
        lattice = np.stack([corners(part) for part in (x, y)], axis=-1).reshape(-1, 2)
        frame = grid_axes(lattice[quadrilaterals(where.shape)[mesh.grid_index]])  # type: ignore[arg-type]
    if where.crs is not None and crs is not None and crs != where.crs:
        there = in_plane(mesh, crs)
        north = east_north(mesh.centres, where.crs)
        compass = east_north(there.centres, crs)
        turned = [compass.to_plane(*north.from_plane(*axis.T)) for axis in (frame.first, frame.second)]
        return Grid(there, where.dims, Frame(*(np.stack(parts, axis=1) for parts in turned)), compass)
    return Grid(mesh, where.dims, frame, east_north(mesh.centres, mesh.crs) if mesh.crs else None)


def _on_globe(ds: xr.Dataset, where: Coordinates, ocean: Array, crs: CRS | None) -> Grid:
    lon, lat = _degrees(where)
    centres = unit_vectors(lon, lat)
    nodes, faces = _cells_of(ds, where, centres)
    tolerance = tolerance_of(nodes, faces)
    kept = np.flatnonzero(_once(where, centres, tolerance))
    water = ocean.ravel()[kept]
    _refuse_missing(nodes, faces[kept[water]])
    plane = crs or choose_plane(nodes[faces[kept[water]]])
    mesh, rows = mesh_of_cells(Cells(nodes, faces[kept], water, tolerance), plane)
    index = kept[rows]
    shape = where.shape if len(where.shape) == 2 else (1, where.shape[0])
    mesh = Mesh(mesh.nodes, mesh.faces, mesh.boundaries, mesh.crs, shape, index)  # type: ignore[arg-type]
    compass = east_north_at(lon.ravel()[index], lat.ravel()[index], plane)
    return Grid(mesh, where.dims, _globe_axes(where, centres, index, plane) or compass, compass)


def _once(where: Coordinates, centres: Array, tolerance: float) -> Array:
    """Which cells to keep where a ring of columns, or a fold, is stored twice: (cells,) bool."""
    x, y = where.in_double()
    if len(where.dims) == 1:
        return np.ones(len(x), dtype=bool)
    axes = _as_axes(x, y)
    if axes is None:
        return keep_once(centres, tolerance).ravel()
    # Along axes only longitudes repeat; the cells around a pole are different ones with one centre.
    _, first = np.unique(np.round(axes[0] % 360.0, 4) % 360.0, return_index=True)
    return np.broadcast_to(np.isin(np.arange(len(axes[0])), first), where.shape).ravel()


def _degrees(where: Coordinates) -> tuple[Array, Array]:
    """Longitude and latitude of every cell, in the shape of the grid; NaN where they are out of range."""
    x, y = where.in_double()
    if len(where.dims) == 2 and x.ndim == 1:
        x, y = np.meshgrid(x, y)
    if where.kind == "rotated":
        return _from_rotated(where, x, y)
    beyond = ~(np.abs(y) <= 90.0 + 1e-6) | ~(np.abs(x) <= 720.0)
    return np.where(beyond, np.nan, x), np.where(beyond, np.nan, np.clip(y, -90.0, 90.0))


def _from_rotated(where: Coordinates, x: Array, y: Array) -> tuple[Array, Array]:
    assert where.crs is not None
    return Transformer.from_crs(where.crs, where.crs.geodetic_crs.source_crs, always_xy=True).transform(x, y)


def _cells_of(ds: xr.Dataset, where: Coordinates, centres: Array) -> tuple[Array, Array]:
    """Corners of all cells as directions (N, 3), and the faces over them (F, 4)."""
    x, y = where.in_double()
    axes = (x, y) if x.ndim == 1 and len(where.dims) == 2 else _as_axes(x, y)
    stored = find_bounds(ds, where) if where.kind == "globe" else None
    if stored is not None and stored[0].ndim == x.ndim and not (axes and x.ndim == 2):
        return _own_corners(*stored, len(where.dims))
    if len(where.dims) == 1:
        raise InputError(
            f"cells along '{where.dims[0]}' have centres but no corners; expected lon_bnds and lat_bnds or UGRID. From "
            "centres alone: gensim_graph.mesh.points.mesh_from_points"
        )
    upper_right = find_upper_right(ds, where)
    if axes is not None and upper_right is None:
        lon, lat = np.meshgrid(_edges(np.unwrap(axes[0], period=360.0)), np.clip(_edges(axes[1]), -90.0, 90.0))
        lattice = unit_vectors(*(_from_rotated(where, lon, lat) if where.kind == "rotated" else (lon, lat)))
    else:
        lattice = with_first(unit_vectors(*upper_right)) if upper_right else corners_from_centres(centres)
    return lattice.reshape(-1, 3), quadrilaterals(where.shape)  # type: ignore[arg-type]


def _own_corners(lon: Array, lat: Array, dimensions: int) -> tuple[Array, Array]:
    """Corners that every cell has of its own: (..., k) degrees, or (n, 2) of two axes."""
    if lon.ndim == 2 and dimensions == 2:
        west, east = (part[None, :] for part in lon.T)
        south, north = (part[:, None] for part in lat.T)
        lon = np.stack(np.broadcast_arrays(west + 0 * south, east + 0 * south, east + 0 * south, west + 0 * south), -1)
        lat = np.stack(np.broadcast_arrays(south + 0 * west, south + 0 * west, north + 0 * west, north + 0 * west), -1)
    nodes = unit_vectors(lon, lat).reshape(-1, 3)
    return nodes, np.arange(len(nodes)).reshape(-1, lon.shape[-1])


def _as_axes(x: Array, y: Array) -> tuple[Array, Array] | None:
    """The two axes of a grid whose lines run along them, else None."""
    if x.ndim == 1:
        return x, y
    straight = np.allclose(x, x[:1], rtol=0, atol=1e-5 * np.ptp(x)) and np.allclose(
        y, y[:, :1], rtol=0, atol=1e-5 * np.ptp(y)
    )
    return (x[0], y[:, 0]) if straight else None


def _edges(axis: Array) -> Array:
    """Ends of the intervals around the values of an axis, halfway to the neighbours: (n,) -> (n + 1,)."""
    inner = 0.5 * (axis[1:] + axis[:-1])
    return np.concatenate([[2 * axis[0] - inner[0]], inner, [2 * axis[-1] - inner[-1]]])


def _globe_axes(where: Coordinates, centres: Array, index: Array, plane: CRS) -> Frame | None:
    """Axes of a grid on the globe; None where they are east and north."""
    x, y = where.in_double()
    if len(where.dims) == 1 or (where.kind == "globe" and (x.ndim == 1 or _as_axes(x, y))):
        return None
    lattice = project(corners_from_centres(centres).reshape(-1, 3), plane)
    frame = grid_axes(lattice[quadrilaterals(where.shape)[index]])  # type: ignore[arg-type]
    if x.ndim == 2:
        return frame
    # Components belong to increasing coordinates, whichever way the axis is stored.
    return Frame(frame.first * np.sign(x[-1] - x[0]), frame.second * np.sign(y[-1] - y[0]))


def _refuse_missing(nodes: Array, faces: Array) -> None:
    bad = np.flatnonzero(~np.isfinite(nodes[faces]).all(axis=(1, 2)))
    if len(bad):
        raise InputError(
            f"ocean cells {first_few(bad)} have no coordinates at one of their corners; land next to the ocean needs "
            "longitude and latitude too, or give the corners of the cells (lon_bnds, lat_bnds)"
        )
