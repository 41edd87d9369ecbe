"""The cells of a product that lie near the mesh of a forecast, as a mesh in the plane of the forecast."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.cf import FileMesh, is_mpas, mesh_in_file, read_grid
from gensim_graph.io.coordinates import Coordinates, find_coordinates
from gensim_graph.io.ugrid import has_topology
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import lonlat, project, unit_vectors, unproject
from gensim_graph.typing import Array


class ProductCells:
    """Finder of the cells of products near a mesh; products on the same grid share theirs.

    Args:
        mesh: mesh of the forecast.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._found: dict[tuple, FileMesh] = {}

    def find(self, ds: xr.Dataset) -> FileMesh:
        """Return the cells of a product, and their places in its arrays.

        Args:
            ds: the product, with the names of the variable table.

        Raises:
            InputError: no coordinates, or no cell near the mesh.
        """
        if has_topology(ds) or is_mpas(ds):
            return mesh_in_file(ds, self.mesh)

        where = find_coordinates(ds, self.mesh.crs)
        if self.mesh.crs is None and (where.kind != "plane" or where.crs is not None):
            raise InputError(
                "the mesh of the forecast has no crs, so nobody knows where it lies on the Earth; forecast on a mesh "
                "with its plane (crs=, --crs)"
            )

        key = (where.dims, where.kind, *(part.tobytes() for part in where.as_arrays()))
        if key not in self._found:
            self._found[key] = read_grid(ds, self.mesh.crs, self._near(where))

        return self._found[key]

    def _near(self, where: Coordinates) -> Array:
        """True at the cells whose centres lie in a box around the mesh, in the shape of the grid."""
        if where.kind == "rotated" or len(where.dims) == 1:
            return np.ones(where.shape, dtype=bool)

        points = self._points(where)
        steps = [np.linalg.norm(np.diff(points, axis=axis), axis=-1) for axis in (-3, -2)]
        with np.errstate(invalid="ignore"):
            finite = np.concatenate([step[np.isfinite(step)] for step in steps])
        low, high = self.mesh.nodes.min(axis=0), self.mesh.nodes.max(axis=0)
        margin = 2.0 * np.median(finite) if len(finite) else 0.0

        with np.errstate(invalid="ignore"):
            near = ((points > low - margin) & (points < high + margin)).all(axis=-1)
        if not near.any():
            raise InputError(self._elsewhere(where))

        return np.asarray(near)

    def _points(self, where: Coordinates) -> Array:
        """Centres of the cells in the plane of the mesh, (*shape, 2) m; not finite beyond the plane."""
        x, y = where.as_arrays()
        if x.ndim == 1:
            x, y = np.meshgrid(x, y)
        crs = self.mesh.crs

        if crs is None or (where.kind == "plane" and where.crs in (None, crs)):
            return np.stack([x, y], axis=-1)
        if where.kind == "plane" and where.crs is not None:
            return project(unproject(np.stack([x, y], axis=-1), where.crs), crs)
        return project(unit_vectors(x, y), crs)

    def _elsewhere(self, where: Coordinates) -> str:
        """Message on a product that does not reach the mesh, with latitudes where they are known."""
        mesh, product = self._latitudes_of_mesh(), _latitudes(where)
        if mesh is None or product is None:
            return "its cells do not reach the mesh of the forecast; are x and y in the same plane?"

        is_other = mesh[0] * product[1] < 0 and mesh[1] * product[0] < 0
        reason = "it is of the other hemisphere" if is_other else "they lie elsewhere"
        return (
            f"its cells (latitude {product[0]:.0f} to {product[1]:.0f}) do not reach the mesh of the forecast "
            f"({mesh[0]:.0f} to {mesh[1]:.0f}): {reason}"
        )

    def _latitudes_of_mesh(self) -> tuple[float, float] | None:
        if self.mesh.crs is None:
            return None
        latitude = lonlat(unproject(self.mesh.nodes, self.mesh.crs))[1]
        return float(latitude.min()), float(latitude.max())


def _latitudes(where: Coordinates) -> tuple[float, float] | None:
    """Range of the latitudes of a product; None if its plane is not known."""
    x, y = where.as_arrays()
    if where.kind == "globe":
        return float(np.nanmin(y)), float(np.nanmax(y))
    if where.crs is None:
        return None
    if x.ndim == 1:
        x, y = np.meshgrid(x, y)

    latitude = lonlat(unproject(np.stack([x, y], axis=-1), where.crs))[1]
    return float(np.nanmin(latitude)), float(np.nanmax(latitude))
