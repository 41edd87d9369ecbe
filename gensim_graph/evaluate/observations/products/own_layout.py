"""Truths in the layout of this package, with gaps or at some of the valid times, read like observations."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.observed import ObservedField, ObservedProduct
from gensim_graph.evaluate.observations.products.product_periods import product_periods
from gensim_graph.evaluate.observations.products.product_reader import ProductReader
from gensim_graph.io import has_topology, mesh_from_dataset, times_of, with_own_time
from gensim_graph.io.cf import is_foreign
from gensim_graph.mesh.operators import in_plane, rotation
from gensim_graph.variables import default_variables, vector_pairs


def is_own_layout(ds: xr.Dataset) -> bool:
    """Return True for fields on the faces of a mesh, as this package writes them."""
    return has_topology(ds) and not is_foreign(ds)


def read_own_layout(reader: ProductReader, name: str, stored: xr.Dataset) -> ObservedProduct | None:
    """Read one file; None if none of its records lies in the time of the forecast.

    Args:
        reader: it knows the forecast.
        name: of the file.
        stored: the file, open.

    Raises:
        InputError: no variable of the forecast, several trajectories, or no times.
    """
    ds = with_own_time(stored)
    if "trajectory" in ds.dims and ds.sizes["trajectory"] > 1:
        raise InputError(f"it holds {ds.sizes['trajectory']} trajectories; choose one, ds.isel(trajectory=0)")

    ds = ds.squeeze("trajectory", drop=True) if "trajectory" in ds.dims else ds
    names = [
        one for one in reader.names if one in ds and {"time"} < set(map(str, ds[one].dims)) <= {"time", "face", "node"}
    ]
    if not names:
        raise InputError(f"none of its variables is in the forecast, which has {', '.join(reader.names)}")

    periods = product_periods(stored, times_of(ds))
    reader.seen.append((ds["time"].values.min(), ds["time"].values.max()))
    records = np.flatnonzero((periods.bounds[:, 1] > reader.first) & (periods.bounds[:, 0] <= reader.last))
    if not len(records):
        return None

    mesh = mesh_from_dataset(ds)
    values = {}
    for one in names:
        array = ds[one].isel(time=records).transpose("time", ...).values.astype(np.float64)
        values[one] = mesh.to_faces(array) if "node" in ds[one].dims else array

    plane = reader.cells.mesh
    cells = mesh if plane.crs is None or mesh.crs in (None, plane.crs) else in_plane(mesh, plane.crs)
    turn = rotation(mesh, cells)
    table = default_variables().variables
    for x, y in vector_pairs(table):
        first, second = table[x].name, table[y].name
        if first in values and second in values:
            values[first], values[second] = turn.to_plane(values[first], values[second])

    return ObservedProduct(name, cells, periods[records], {one: ObservedField(array) for one, array in values.items()})
