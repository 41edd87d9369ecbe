"""Grids of tiles whose files hold all tiles in one array of rows and columns, side by side or one above the other.

The MITgcm writes the six faces of a cubed sphere side by side, the GEOS one above the other, and LLC grids in a compact
form. Read as one grid, cells of different faces would be neighbours; so they are refused, with the line that separates
them.
"""

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import Coordinates
from gensim_graph.mesh.build import known_degrees
from gensim_graph.mesh.planes import unit_vectors

_JUMP = 3.0  # in median steps
_FACES, _TILES = 6, 13


def refuse_stacked_faces(where: Coordinates) -> None:
    """Refuse a grid that has jumps where the faces of a cubed sphere, or the tiles of an LLC grid, follow each other.

    Args:
        where: centres of the cells.

    Raises:
        InputError: the grid is made of faces or tiles; the message says how to separate them.
    """
    if where.kind != "globe" or where.x.ndim != 2:
        return

    for axis in (0, 1):
        size, side = where.shape[axis], where.shape[1 - axis]
        if size == _FACES * side and _has_jumps(where, axis, side):
            dim = where.dims[axis]
            raise InputError(
                f"the grid {where.shape} is made of six faces of a cubed sphere along '{dim}'; separate them with "
                f"xarray: ds.coarsen({dim}={side}).construct({dim}=('tile', 'along')).transpose('tile', ...)"
                ".to_netcdf('OUT.nc')"
            )
        if size == _TILES * side and _has_jumps(where, axis, side):
            raise InputError(
                f"the grid {where.shape} is an LLC grid in compact form; separate its 13 tiles with "
                "ecco_v4_py.llc_compact_to_tiles, or read the model output with xmitgcm.open_mdsdataset"
            )


def _has_jumps(where: Coordinates, axis: int, side: int) -> bool:
    """Return True if most cells at the end of two faces or more are far from the next cells along an axis."""
    vectors = np.moveaxis(unit_vectors(*known_degrees(*where.as_arrays())), axis, 0)
    step = np.linalg.norm(np.diff(vectors, axis=0), axis=-1)
    if not np.isfinite(step).any():
        return False

    at_ends = step[side - 1 :: side]
    far = np.where(np.isfinite(at_ends), at_ends > _JUMP * np.nanmedian(step), False)
    return bool((far.mean(axis=1) > 0.5).sum() >= 2)
