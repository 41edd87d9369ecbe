"""The grid of neXtSIM-DG's netCDF files: quadrilaterals with stored corners, and a mask.

Restarts and init files hold the corners ``coords`` and the mask ``mask`` (1 = ocean) in the group ``data``. Most
diagnostic files hold neither; corners and mask then come from the one file beside them that has both. The centres
``x``, ``y`` are not used, because the model's own scripts write them transposed.
"""

import logging
from dataclasses import dataclass
from pathlib import Path as FilePath

import netCDF4
import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.safe import is_netcdf_with, opened, read_values
from gensim_graph.mesh import Mesh, first_few
from gensim_graph.mesh.build import CornerCells, arrays_of_cells, quadrilaterals
from gensim_graph.mesh.planes import Frame, axes_on_globe, choose_plane, plane_axes, unit_vectors, unproject
from gensim_graph.typing import Array

_DATA_GROUP = "data"
_CELL_DIMS = (("ydim", "xdim"), ("y", "x"))
"""Names of the dimensions of the cells; the second are those of files from before May 2024."""

_FIELDS_ON_CELLS = ("mask", "cice", "hice", "hsnow", "sst", "longitude", "latitude")

_SAME_CORNER = 1e-6  # of the spacing: two corners that are closer are one
_MAX_COORDINATE = 1e8  # m, beyond any plane
_MODEL_POLE = unit_vectors(np.array(-40.0), np.array(75.0))
"""North pole of the model's spherical coordinates, which give the directions of its vectors."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Geometry:
    """Corners and mask of a grid.

    Attributes:
        coords: (ny + 1, nx + 1, 2) corners: x and y in m, or longitude and latitude in degrees.
        ocean: (ny, nx) bool, True on the ocean.
        in_degrees: True if ``coords`` are longitude and latitude.
    """

    coords: Array
    ocean: Array
    in_degrees: bool


def is_nextsimdg(path: FilePath) -> bool:
    """Return True if a file is a restart, init or diagnostic file of neXtSIM-DG."""
    return is_netcdf_with(path, _holds_nextsimdg)


def mesh_of_geometry(geometry: Geometry, crs: CRS | None = None) -> Mesh:
    """Build the mesh of the ocean cells. All its boundary is coast, because the model closes the rim of the grid.

    Args:
        geometry: corners and mask.
        crs: the plane. With corners in degrees, None chooses a plane from their extent.

    Raises:
        InputError: no ocean, corners that are not on the Earth, or cells that overlap.
    """
    quads = quadrilaterals(geometry.ocean.shape)
    ocean = geometry.ocean.ravel()
    if not ocean.any():
        raise InputError("the grid has no ocean cell: mask is 0 everywhere (1 = ocean)")

    corners = _checked_corners(geometry, quads)
    if geometry.in_degrees:
        corners = unit_vectors(*corners.T)
        crs = crs or choose_plane(corners[quads[ocean]])

    diagonals = np.linalg.norm(corners[quads[:, 2]] - corners[quads[:, 0]], axis=1)
    spacing = float(np.nanmedian(diagonals))
    arrays, cells = arrays_of_cells(CornerCells(corners, quads, ocean, _SAME_CORNER * spacing), crs)
    mesh = Mesh.from_arrays(arrays)

    if not geometry.in_degrees and (len(cells) < ocean.sum() or (mesh.faces < 0).any()):
        raise InputError("there are cells with two corners in one place; the file is damaged")

    is_complete = mesh.n_faces == ocean.sum()  # False if the plane cannot show all cells
    boundaries = {"coast": mesh.boundary_edges} if is_complete else mesh.boundaries
    shape: tuple[int, int] = geometry.ocean.shape

    return Mesh(mesh.nodes, mesh.faces, boundaries, mesh.crs, shape, cells)


def vector_axes(mesh: Mesh, in_degrees: bool) -> Frame:
    """Return the directions of the two components of a file's vectors, at the faces of its mesh.

    They are the axes of the plane; or, on the globe, east and north relative to a pole at 75 N 40 W: the model turns a
    spherical mesh to this pole before it computes, and does not turn its output back.

    Args:
        mesh: the mesh of the file.
        in_degrees: True if the file has longitude and latitude.
    """
    if not in_degrees or mesh.crs is None:
        return plane_axes(mesh.n_faces)

    points = unproject(mesh.centres, mesh.crs)
    north = _MODEL_POLE - (points @ _MODEL_POLE)[:, None] * points
    east = np.cross(north, points)

    return axes_on_globe(points, east, north, mesh.crs)


def read_geometry(path: FilePath) -> Geometry:
    """Read corners and mask from a file, or from the file beside it that has the same grid.

    Raises:
        InputError: no file has them, or several files have different ones.
    """
    shape, own = _shape_and_geometry(path)
    if own is not None:
        return own

    found: dict[bytes, tuple[FilePath, Geometry]] = {}
    for file in sorted(path.parent.glob("*.nc")):
        if file != path and is_nextsimdg(file):
            try:
                other_shape, geometry = _shape_and_geometry(file)
            except InputError as error:
                log.warning("%s: its corners and mask are not used: %s", file.name, error)
                continue
            if geometry is not None and other_shape == shape:
                found[geometry.coords.tobytes() + geometry.ocean.tobytes()] = file, geometry

    if len(found) != 1:
        what = ", ".join(file.name for file, _ in found.values()) or "there is none"
        raise InputError(
            "has no corners (coords) or no mask; they are taken from the init file or a restart beside it, of the same "
            f"{shape[0]} x {shape[1]} cells, and all such files must agree: {what}"
        )

    ((_, geometry),) = found.values()
    return geometry


def data_of(content: netCDF4.Dataset) -> netCDF4.Dataset:
    """Return the group with the fields; the newest files have no groups, the fields are in the file itself."""
    return content.groups.get(_DATA_GROUP, content)


def sizes_of(data: netCDF4.Dataset) -> dict[str, int]:
    """Return the sizes of the dimensions of a group and of its variables, which may be those of the file around it."""
    used = [dim for variable in data.variables.values() for dim in variable.get_dims()]
    return {dim.name: len(dim) for dim in [*data.dimensions.values(), *used]}


def cell_dims(data: netCDF4.Dataset) -> tuple[str, str]:
    """Return the names of the dimensions of the cells along y and x.

    They are those that the fields lie on; in files without fields, those that the model uses.

    Args:
        data: the group with the fields.

    Raises:
        InputError: there are none.
    """
    sizes = sizes_of(data)
    known = [pair for pair in _CELL_DIMS if set(pair) <= set(sizes)]
    if not known:
        missing = [name for name in _CELL_DIMS[0] if name not in sizes]
        raise InputError(
            f"has no dimension {' and '.join(missing)}; expected ydim and xdim, or y and x as before May 2024; it has "
            f"{', '.join(sizes) or 'none'}"
        )

    fields = [data.variables[name] for name in _FIELDS_ON_CELLS if name in data.variables]
    used = [pair for field in fields for pair in known if set(pair) <= set(field.dimensions)]
    return (used or known)[0]


def _holds_nextsimdg(content: netCDF4.Dataset) -> bool:
    if _DATA_GROUP in content.groups and "structure" in content.groups:
        return getattr(content.groups["structure"], "type", "") == "parametric_rectangular"

    return {"coords", "mask"} <= set(content.variables) and "ncoords" in content.variables["coords"].dimensions


def _checked_corners(geometry: Geometry, quads: Array) -> Array:
    """Return the corners, (P, 2), NaN where the coordinates are impossible, which is allowed on land only."""
    corners = geometry.coords.reshape(-1, 2)
    limits = (720.0, 90.0) if geometry.in_degrees else (_MAX_COORDINATE, _MAX_COORDINATE)
    is_possible = (np.abs(corners) <= limits).all(axis=1, keepdims=True)
    corners = np.where(is_possible, corners, np.nan)

    lacking = np.flatnonzero(geometry.ocean.ravel() & np.isnan(corners[quads]).any(axis=(1, 2)))
    if len(lacking):
        raise InputError(f"ocean cells {first_few(lacking)} have no coordinates on the Earth at one of their corners")

    return corners


def _shape_and_geometry(path: FilePath) -> tuple[tuple[int, int], Geometry | None]:
    """Return the number of cells along y and x, and the geometry if the file has both corners and mask."""
    with opened(path) as content:
        data = data_of(content)
        y, x = cell_dims(data)
        sizes = sizes_of(data)
        shape = (sizes[y], sizes[x])
        if "coords" not in data.variables or "mask" not in data.variables:
            return shape, None

        coords = read_values(data.variables["coords"], np.float64)
        if coords.shape != (shape[0] + 1, shape[1] + 1, 2):
            raise InputError(f"coords {coords.shape} must be the corners of {shape[0]} x {shape[1]} cells")

        return shape, Geometry(coords, _read_ocean(data, (y, x), shape), _has_degrees(data, coords))


def _has_degrees(data: netCDF4.Dataset, coords: Array) -> bool:
    if "longitude" in data.variables or "x" in data.variables:
        return "longitude" in data.variables

    return bool(np.nanmax(np.abs(coords)) <= 360.0)


def _read_ocean(data: netCDF4.Dataset, dims: tuple[str, str], shape: tuple[int, int]) -> Array:
    variable = data.variables["mask"]
    values = read_values(variable)
    if values.ndim == 3 and variable.dimensions[1:] == dims:  # the mask of each record: the grid stands still
        values = values[0]
    if variable.dimensions == dims[::-1]:  # diagnostic files swap the names of the dimensions, not the values
        values = values.reshape(shape)

    if values.shape != shape or not np.isin(values, (0.0, 1.0)).all():
        raise InputError(f"mask {values.shape} must be 1 (ocean) or 0 (land) on {shape[0]} x {shape[1]} cells")

    return values == 1.0
