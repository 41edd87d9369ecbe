"""Grids of longitude and latitude with straight axes, such as those of ERA5, without a mesh of their cells.

The winds of the whole globe every quarter of a degree are a million cells. A forecast or a training needs them at a few
thousand places, so it takes the two axes only: it finds the grid points around each face, reads the rows and columns
between the first and the last of them, and interpolates (:mod:`~gensim_graph.io.cf.lonlat_weights`).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import find_coordinates
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.build import straight_axes
from gensim_graph.mesh.planes import lonlat, unproject
from gensim_graph.typing import Array

_ON_POINTS = 0.1
"""A face lies on a grid point if it is nearer than this, in steps of the axes."""


@dataclass(frozen=True)
class LonLatAxes:
    """The two axes of a grid on the globe.

    Attributes:
        dims: dimensions of latitude and longitude in the file.
        lon: (nx,) degrees east, without jumps, in the order of the file.
        lat: (ny,) degrees north, in the order of the file.
    """

    dims: tuple[str, str]
    lon: Array
    lat: Array

    @property
    def step(self) -> float:
        """Median step of the latitudes, degrees."""
        return float(np.median(np.abs(np.diff(self.lat))))

    @property
    def is_closed(self) -> bool:
        """True if the first column follows the last one, around the globe."""
        steps = np.abs(np.diff(self.lon))
        return bool(abs(abs(self.lon[-1] - self.lon[0]) + np.median(steps) - 360.0) < 0.5 * np.median(steps))

    def extent(self) -> str:
        """Return the range of latitudes and longitudes, for messages."""
        lon, lat = self.lon, self.lat
        return f"latitudes {lat.min():.4g} to {lat.max():.4g}, longitudes {lon.min():.4g} to {lon.max():.4g}"


def find_axes(ds: xr.Dataset) -> LonLatAxes | None:
    """Return the axes of a grid of longitude and latitude; None for any other grid or mesh.

    Args:
        ds: dataset of another program.

    Raises:
        InputError: no coordinates, or an axis goes back and forth or has no values.
    """
    where = find_coordinates(ds)
    if where.kind != "globe" or len(where.dims) != 2 or min(where.shape) < 2:
        return None

    axes = straight_axes(*where.as_arrays())
    if axes is None:
        return None

    lon, lat = np.unwrap(axes[0], period=360.0), axes[1]
    for name, values in (("longitude", lon), ("latitude", lat)):
        steps = np.diff(values)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(f"the {name}s of the grid must increase or decrease from value to value; came {values}")

    return LonLatAxes((where.dims[0], where.dims[1]), lon, lat)


def face_degrees(mesh: Mesh) -> Array:
    """Return longitude and latitude of the faces, (F, 2) degrees.

    Raises:
        InputError: the mesh does not say where on the Earth it lies.
    """
    if mesh.crs is None:
        raise InputError(
            "these fields lie on longitudes and latitudes, and the mesh does not say where on the Earth it is; load it "
            "with crs=, or give the fields on the mesh"
        )

    return np.stack(lonlat(unproject(mesh.centres, mesh.crs)), axis=1)


def has_cells_as_faces(axes: LonLatAxes, mesh: Mesh) -> bool:
    """Return True if the faces of a mesh are cells of the grid: their values are then taken, not interpolated.

    Args:
        axes: axes of the grid.
        mesh: the mesh.
    """
    lon, lat = face_degrees(mesh).T
    steps = [np.median(np.abs(np.diff(axis))) for axis in (axes.lon, axes.lat)]
    distances = [_distance(lon, axes.lon, 360.0) / steps[0], _distance(lat, axes.lat) / steps[1]]

    return bool(np.mean(np.maximum(*distances) < _ON_POINTS) > 0.9)


def _distance(values: Array, axis: Array, period: float | None = None) -> Array:
    """Distance from the nearest value of an axis."""
    first = axis.min()
    inside = values if period is None else first + (values - first) % period
    ordered = np.sort(axis)
    right = np.clip(np.searchsorted(ordered, inside), 1, len(ordered) - 1)
    return np.minimum(np.abs(inside - ordered[right - 1]), np.abs(inside - ordered[right]))
