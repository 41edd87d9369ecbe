"""One state of the ice as neXtSIM stores it: days since 1900, values on triangles, vectors on nodes, in double."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_snapshot import EPOCH
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


def state_days(state: xr.Dataset) -> float:
    """Return the time of a state in days since 1900-01-01.

    Raises:
        InputError: no time, several times, or a time that is no date.
    """
    time = next((state[name].values for name in ("valid_time", "time") if name in state.variables), np.empty(0))
    if time.ndim or not np.issubdtype(time.dtype, np.datetime64):
        raise InputError("the state must be one time, ds.isel(time=k), with a date in 'time' or 'valid_time'")

    return float((time.astype("datetime64[us]") - EPOCH) / np.timedelta64(1, "us")) / 86_400e6


def checked_values(name: str, values: Array, count: int) -> Array:
    """Return values in double precision after checking their number.

    Args:
        name: name of the variable or record, for the message.
        values: (count,) one number for each triangle or node.
        count: number of triangles or nodes.

    Raises:
        InputError: another shape, or NaN or infinite values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise InputError(f"'{name}' must be {count} finite numbers, one a triangle or node; got shape {array.shape}")

    return array


def values_on_triangles(state: xr.Dataset, name: str, n_faces: int) -> Array:
    """Return a variable of a state on triangles, (F,).

    Args:
        state: one time of a dataset.
        name: name of the variable.
        n_faces: number F of triangles of the mesh.

    Raises:
        InputError: see :func:`checked_values`.
    """
    return checked_values(name, state[name].values, n_faces)


def vector_on_nodes(state: xr.Dataset, names: tuple[str, str], mesh: Mesh) -> Array:
    """Return a vector of a state on nodes as neXtSIM stores it: all x components, then all y components, (2 N,).

    Args:
        state: one time of a dataset.
        names: the two components, along the axes of the plane. Values on faces are averaged to the nodes.
        mesh: the mesh of the state.

    Raises:
        InputError: a component is missing, or see :func:`checked_values`.
    """
    return np.concatenate([_component_on_nodes(state, name, mesh) for name in names])


def _component_on_nodes(state: xr.Dataset, name: str, mesh: Mesh) -> Array:
    if name not in state:
        raise InputError(f"'{name}' is missing while the other component of the vector is here")

    values = state[name].values
    return checked_values(name, mesh.to_nodes(values) if "face" in state[name].dims else values, mesh.n_nodes)
