"""Checks of data before anything expensive starts: units, plausible values, and the domain of the mesh."""

import logging

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from gensim_graph.errors import InputError, MissingValuesError, naming
from gensim_graph.io.names import conversion, refuse_without_unit
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import covered
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

log = logging.getLogger(__name__)

_MIN_OVERLAP = 0.99
"""Smallest share of the area of the target mesh that the source must cover."""

_MIN_COVER = 0.5
"""Smallest share of the area of each single face that the source must cover."""


def check_unit(name: str, values: xr.DataArray, variable: Variable) -> None:
    """Refuse values with an attribute ``units`` that is not the unit of the variable; without one, implausible vectors.

    Args:
        name: origin of the values, for the message.
        values: values with or without an attribute ``units``.
        variable: the variable in the variable table.

    Raises:
        InputError: the unit is not a spelling of that of the variable, or there is none and the values are very large.
    """
    if "units" not in values.attrs:
        with naming(name):
            refuse_without_unit(values, variable)

    unit = str(values.attrs.get("units", variable.units)).strip()
    if unit != variable.units and conversion(unit, variable.units) != (1.0, 0.0):
        raise InputError(
            f"{name}: '{variable.name}' is in '{unit}', expected '{variable.units}'; "
            "convert it and set its units attribute"
        )


def check_field_values(name: str, values: Array, variable: Variable, location: str = "face") -> None:
    """Refuse missing values, and values that are almost surely in another unit.

    Args:
        name: origin of the values, for the message.
        values: (..., face) or (..., node), in the unit of the variable.
        variable: the variable in the variable table.
        location: ``face`` or ``node``.

    Raises:
        InputError: a value is missing (NaN, :class:`~gensim_graph.errors.MissingValuesError`) or outside the plausible
            range of the variable.
    """
    missing = ~np.isfinite(values)
    if missing.any():
        rows = np.unique(np.nonzero(missing)[-1])
        raise MissingValuesError(
            f"{name}: '{variable.name}' is missing (NaN) on {len(rows)} {location}s at some time, first "
            f"{rows[:5].tolist()}; "
            f"fill them, or leave these {location}s out of the mesh (land)"
        )

    low, high = variable.range
    if values.size and (values.min() < low or values.max() > high):
        raise InputError(
            f"{name}: '{variable.name}' runs from {values.min():.4g} to {values.max():.4g}, plausible in "
            f"{variable.units} is {low:g} to {high:g}; is it in another unit?"
        )


def check_cover(name: str, source: Mesh, target: Mesh, weights: csr_array) -> None:
    """Refuse data that do not cover the mesh to which they shall be remapped.

    Args:
        name: origin of the data, for the message.
        source: mesh of the data.
        target: mesh to remap to.
        weights: (target face, source face) weights of
            :func:`~gensim_graph.mesh.operators.remap.conservative_weights`.

    Raises:
        InputError: the data cover less than 99 % of the target mesh, or less than half of one of its faces.
    """
    cover = covered(weights)
    share = float(np.average(cover, weights=target.areas))

    if share < _MIN_OVERLAP:
        raise InputError(
            f"{name}: these data cover {100 * share:.1f} % of the mesh of {target.n_faces} faces, "
            "which lies elsewhere; "
            f"the data extend over {_extent(source)}, the mesh over {_extent(target)}. Give data of the mesh's own "
            "domain (--data): netCDF or zarr with a UGRID topology, the state (sit, sic, sid, siu, siv, snt) and the "
            "wind (uas, vas) at regular times"
        )

    bare = np.flatnonzero(cover < _MIN_COVER)
    if len(bare):
        raise InputError(
            f"{name}: {len(bare)} faces of the mesh lie outside these data, first {bare[:5].tolist()}; give data that "
            "cover the mesh, or leave these faces out of it"
        )


def log_remapping(name: str, source: Mesh, target: Mesh) -> None:
    """Log that data are remapped: a warning, unless both meshes have the same cells in another order.

    Args:
        name: origin of the data.
        source: mesh of the data.
        target: mesh to remap to.
    """
    if _same_cells(source, target):
        log.debug("%s: the %d faces of the data are those of the mesh, in another order", name, source.n_faces)
    else:
        log.warning("%s: remapping %d faces to %d, area-weighted", name, source.n_faces, target.n_faces)


def _same_cells(one: Mesh, other: Mesh) -> bool:
    """Return True if each face of a mesh lies on a face of the other, with the same centre and area."""
    if one.n_faces != other.n_faces or (one.crs != other.crs and None not in (one.crs, other.crs)):
        return False

    distance, nearest = cKDTree(one.centres).query(other.centres)
    same_place = distance <= 1e-5 * other.spacing
    same_area = np.abs(one.areas[nearest] - other.areas) <= 1e-4 * other.areas

    return bool(same_place.all() and same_area.all())


def _extent(mesh: Mesh) -> str:
    low = mesh.nodes.min(axis=0) / 1e3
    high = mesh.nodes.max(axis=0) / 1e3
    return f"x {low[0]:.0f}..{high[0]:.0f} km, y {low[1]:.0f}..{high[1]:.0f} km"
