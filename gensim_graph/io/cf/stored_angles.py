"""Angle between the rows of a grid and east, as ROMS, CICE and the MITgcm store it at the cell centres.

The directions of grid lines also follow from the positions of the cells. The stored angle is exact at the rim of the
grid, where neighbours are missing; it is used if it agrees with the lines.
"""

import logging

import numpy as np
import xarray as xr

from gensim_graph.io.coordinates import Coordinates, first_record
from gensim_graph.mesh.planes import Frame
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_ANGLES = ("angle", "ANGLET", "anglet")
_COSINE_AND_SINE = (("CS", "SN"), ("AngleCS", "AngleSN"))
_TOLERANCE = 5.0  # degrees, median


def stored_axes(ds: xr.Dataset, where: Coordinates, index: Array, east_north: Frame, lines: Frame) -> Frame:
    """Return the directions of rows and columns from the angle that a file stores; those of its lines without one.

    Args:
        ds: the dataset.
        where: centres of the cells.
        index: (F,) flat position in the grid of each face.
        east_north: directions of east and north at the faces.
        lines: directions of rows and columns at the faces, from the positions of the cells.
    """
    angle = _angle(ds, where)
    if angle is None:
        return lines

    here = angle.ravel()[index]
    first = _turned(east_north, here)
    off = np.degrees(np.arccos(np.clip((first * lines.first).sum(axis=1), -1.0, 1.0)))
    if not np.isfinite(off).all():
        return lines
    if np.median(off) > _TOLERANCE:
        log.warning(
            "the angle of the grid in the file differs from the direction of its rows by %.0f degrees and is not used",
            np.median(off),
        )
        return lines

    # Axes at right angles; those of a grid whose rows and columns are left-handed stay so.
    handed = np.sign(lines.first[:, 0] * lines.second[:, 1] - lines.first[:, 1] * lines.second[:, 0])
    second = np.stack([-first[:, 1], first[:, 0]], axis=1) * handed[:, None]
    return Frame(first, second)


def _turned(frame: Frame, angle: Array) -> Array:
    """Unit vectors at an angle (F,) from the first axis towards the second."""
    return np.cos(angle)[:, None] * frame.first + np.sin(angle)[:, None] * frame.second


def _angle(ds: xr.Dataset, where: Coordinates) -> Array | None:
    """Angle from east to the rows of the grid, counter-clockwise, radians, in the shape of the grid."""
    for name in _ANGLES:
        column = _on_cells(ds, name, where)
        if column is not None:
            values = column.values.astype(np.float64)
            return np.radians(values) if str(column.attrs.get("units", "")).startswith("degree") else values

    for names in _COSINE_AND_SINE:
        cosine, sine = (_on_cells(ds, name, where) for name in names)
        if cosine is not None and sine is not None:
            return np.arctan2(sine.values, cosine.values)

    return None


def _on_cells(ds: xr.Dataset, name: str, where: Coordinates) -> xr.DataArray | None:
    if name not in ds.variables or not ds[name].size:
        return None

    column = first_record(ds[name], len(where.dims))
    return column if column.dims == where.dims and column.dtype.kind == "f" else None
