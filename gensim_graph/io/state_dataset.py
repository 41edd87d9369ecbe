"""Datasets that a user hands to a model as they are, brought to the layout of :func:`~gensim_graph.open_store`.

An initial state may come from ``open_store``, from ``xarray.open_dataset``, from a forecast, or from the user's own
arrays on a mesh. Datasets in the layout of this package are used as they are, without copying them.
"""

import xarray as xr

from gensim_graph.errors import check_type, naming
from gensim_graph.io.names import known_names
from gensim_graph.io.plane_vectors import points_east
from gensim_graph.io.sources import as_trajectories
from gensim_graph.io.store import open_store
from gensim_graph.io.times import with_time
from gensim_graph.io.ugrid import DATASET_ADVICE, MESH_ADVICE, has_whole_topology, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import VariableTable


def as_state(ds: xr.Dataset, mesh: Mesh | None, table: VariableTable) -> xr.Dataset:
    """Return the state at one time or at several on the faces of its mesh, vectors along the axes of the plane.

    Args:
        ds: state with a single time or a dimension of times, on a mesh of its own or on ``mesh``; the members of an
            ensemble become the dimension ``trajectory``.
        mesh: mesh of the result; None takes that of the dataset.
        table: the variable table.

    Raises:
        InputError: no time, no mesh, or what :func:`~gensim_graph.open_store` raises.
    """
    check_type("initial state", ds, xr.Dataset, DATASET_ADVICE)
    if mesh is not None:
        check_type("mesh", mesh, Mesh, MESH_ADVICE)

    with naming("initial state"):
        ds = as_trajectories(_with_valid_time(ds))
        if _is_readable(ds, mesh, table):
            return ds

        is_single = "time" not in ds.dims
        records = _with_record(ds, table) if is_single else ds.copy()

    origin = ds.encoding.get("source") or ds.attrs.get("origin") or "dataset in memory"
    records.encoding["source"] = "initial state"
    store = open_store(records, mesh, table).assign_attrs(origin=origin)

    return store.isel(time=0) if is_single and store.sizes["time"] == 1 else store


def _with_valid_time(ds: xr.Dataset) -> xr.Dataset:
    """A state of a forecast, whose time is its valid time."""
    if "time" in ds.variables or "valid_time" not in ds.variables or ds["valid_time"].ndim:
        return ds
    return ds.drop_vars(["lead_time", "valid_time"], errors="ignore").assign_coords(time=ds["valid_time"].values)


def _is_readable(ds: xr.Dataset, mesh: Mesh | None, table: VariableTable) -> bool:
    """Return True if a dataset has the layout of this package, and the mesh that is asked for."""
    columns = [ds[one.name] for one in table.variables if one.name in ds.variables]
    is_own = has_whole_topology(ds) and "time" in ds.variables and ds["time"].dtype.kind == "M"
    on_faces = bool(columns) and all("face" in column.dims for column in columns)
    if not (is_own and on_faces) or points_east(ds, table):
        return False

    return mesh is None or mesh_from_dataset(ds, crs=mesh.crs).matches(mesh)


def _with_record(ds: xr.Dataset, table: VariableTable) -> xr.Dataset:
    """A state at one time as a record of length one."""
    if "time" not in ds.variables:
        return with_time(ds)

    names = known_names(ds) | {one.name for one in table.variables if one.name in ds.variables}
    fields = {name: ds[name].drop_vars("time", errors="ignore").expand_dims("time") for name in names}

    return ds.drop_vars("time").assign(fields).assign_coords(time=("time", ds["time"].values.reshape(1)))
