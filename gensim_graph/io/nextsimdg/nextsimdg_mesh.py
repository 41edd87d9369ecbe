"""The grid of neXtSIM-DG's netCDF files: quadrilaterals with corners of their own, and a mask.

Restarts and init files hold ``coords``, the corners, and ``mask``, 1 = ocean, in the group ``data``. Diagnostic files
mostly hold neither: they are then taken from the one file beside them that does. The centres ``x``, ``y`` are not used;
the model's own scripts write them transposed.
"""

from dataclasses import dataclass
from pathlib import Path as FilePath

import netCDF4
import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.safe import has, opened, read_values
from gensim_graph.mesh import Mesh, first_few
from gensim_graph.mesh.build import CornerCells, arrays_of_cells, quadrilaterals
from gensim_graph.mesh.planes import Frame, axes_on_globe, choose_plane, plane_axes, unit_vectors, unproject
from gensim_graph.typing import Array

DATA = "data"
"""Group of the fields."""

_SAME = 1e-6  # of a spacing: two corners are one
_FARTHEST = 1e8  # m, beyond any plane
_POLE = unit_vectors(np.array(-40.0), np.array(75.0))
"""North pole of the model's spherical coordinates, in which its vectors lie."""


@dataclass(frozen=True)
class Geometry:
    """A grid before it is a mesh.

    Attributes:
        coords: (ny + 1, nx + 1, 2) corners, m, or longitude and latitude in degrees.
        ocean: (ny, nx) bool.
        degrees: which of the two.
    """

    coords: Array
    ocean: Array
    degrees: bool


def is_nextsimdg(path: FilePath) -> bool:
    """Whether a file is a restart, init or diagnostic file of neXtSIM-DG."""
    if not has(path, DATA) or not has(path, "structure"):
        return False
    try:
        with opened(path) as content:
            return getattr(content.groups["structure"], "type", "") == "parametric_rectangular"
    except InputError:
        return False


def mesh_of_geometry(geometry: Geometry, crs: CRS | None = None) -> Mesh:
    """Ocean cells of a grid. Its boundary is coast: the model closes the rim of the grid.

    Raises:
        InputError: no ocean, or cells that overlap.
    """
    quads, ocean = quadrilaterals(geometry.ocean.shape), geometry.ocean.ravel()
    if not ocean.any():
        raise InputError("the grid has no ocean cell: mask is 0 everywhere (1 = ocean)")

    corners = geometry.coords.reshape(-1, 2)
    limits = (720.0, 90.0) if geometry.degrees else (_FARTHEST, _FARTHEST)
    corners = np.where((np.abs(corners) <= limits).all(axis=1, keepdims=True), corners, np.nan)
    nowhere = np.flatnonzero(ocean & np.isnan(corners[quads]).any(axis=(1, 2)))

    if len(nowhere):
        raise InputError(f"ocean cells {first_few(nowhere)} have no coordinates on the Earth at one of their corners")

    if geometry.degrees:
        corners = unit_vectors(*corners.T)
        crs = crs or choose_plane(corners[quads[ocean]])

    spacing = float(np.nanmedian(np.linalg.norm(corners[quads[:, 2]] - corners[quads[:, 0]], axis=1)))
    arrays, rows = arrays_of_cells(CornerCells(corners, quads, ocean, _SAME * spacing), crs)
    mesh = Mesh.from_arrays(arrays)

    if not geometry.degrees and (len(rows) < ocean.sum() or (mesh.faces < 0).any()):
        raise InputError("there are cells with two corners in one place; the file is damaged")

    whole = mesh.n_faces == ocean.sum()  # else the plane could not show all of it
    boundaries = {"coast": mesh.boundary_edges} if whole else mesh.boundaries
    shape: tuple[int, int] = geometry.ocean.shape

    return Mesh(mesh.nodes, mesh.faces, boundaries, mesh.crs, shape, rows)


def vector_axes(mesh: Mesh, degrees: bool) -> Frame:
    """Axes of the vectors of a file at the faces of its mesh.

    Those of the plane, or on the globe east and north as seen from the pole at 75 N 40 W: the model turns a spherical
    mesh there before it computes, and its output is never turned back.
    """
    if not degrees or mesh.crs is None:
        return plane_axes(mesh.n_faces)
    points = unproject(mesh.centres, mesh.crs)
    north = _POLE - (points @ _POLE)[:, None] * points
    return axes_on_globe(points, np.cross(north, points), north, mesh.crs)


def read_geometry(path: FilePath) -> Geometry:
    """Corners and mask of a file, or of the one beside it that has the same grid.

    Raises:
        InputError: there are none, or several that differ.
    """
    shape, own = _geometry(path)
    if own is not None:
        return own

    found: dict[bytes, tuple[FilePath, Geometry]] = {}
    for file in sorted(path.parent.glob("*.nc")):
        if file != path and is_nextsimdg(file):
            other, geometry = _geometry(file)
            if geometry is not None and other == shape:
                found[geometry.coords.tobytes() + geometry.ocean.tobytes()] = file, geometry

    if len(found) != 1:
        what = ", ".join(file.name for file, _ in found.values()) or "there is none"
        raise InputError(
            "has no corners (coords) or no mask; they are taken from the init file or a restart beside it, of the same "
            f"{shape[0]} x {shape[1]} cells, and all such files must agree: {what}"
        )

    return next(iter(found.values()))[1]


def _geometry(path: FilePath) -> tuple[tuple[int, int], Geometry | None]:
    """Number of cells along y and x, and the geometry if the file has all of it."""
    with opened(path) as content:
        data = content.groups[DATA]
        missing = [name for name in ("ydim", "xdim") if name not in data.dimensions]
        if missing:
            raise InputError(f"group '{DATA}' has no dimension {' and '.join(missing)}")

        shape = (len(data.dimensions["ydim"]), len(data.dimensions["xdim"]))
        if "coords" not in data.variables or "mask" not in data.variables:
            return shape, None

        coords = read_values(data.variables["coords"], np.float64)
        if coords.shape != (shape[0] + 1, shape[1] + 1, 2):
            raise InputError(f"coords {coords.shape} must be the corners of {shape[0]} x {shape[1]} cells")

        return shape, Geometry(coords, _ocean(data, shape), _in_degrees(data, coords))


def _in_degrees(data: netCDF4.Group, coords: Array) -> bool:
    if "longitude" in data.variables or "x" in data.variables:
        return "longitude" in data.variables
    return bool(np.nanmax(np.abs(coords)) <= 360.0)


def _ocean(data: netCDF4.Group, shape: tuple[int, int]) -> Array:
    variable = data.variables["mask"]
    values = read_values(variable)
    if variable.dimensions == ("xdim", "ydim"):  # diagnostics name the dimensions in the order in which they are not
        values = values.reshape(shape)

    if values.shape != shape or not np.isin(values, (0.0, 1.0)).all():
        raise InputError(f"mask {values.shape} must be 1 (ocean) or 0 (land) on {shape[0]} x {shape[1]} cells")

    return values == 1.0
