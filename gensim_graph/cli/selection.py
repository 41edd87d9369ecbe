"""Times, members and fields of a dataset, as the options of ``gensim-graph mesh`` name them."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import RECORDS, Fields, parse_date
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable


def field_of(dataset: xr.Dataset, name: str, variable: str) -> tuple[Mesh, Array, Variable, str]:
    """Read one field of a dataset at its last time.

    Args:
        dataset: fields on a mesh.
        name: name of the file, for messages.
        variable: name of the field.

    Returns:
        Mesh, values on its faces, row of the variable table, and the time in words.

    Raises:
        InputError: there is no such field, or several members or starts to choose from.
    """
    fields = Fields.of(dataset)
    found = next((one for one in fields.variables if one.name == variable), None)
    if found is None:
        raise InputError(f"{name}: has no '{variable}'; it has {', '.join(one.name for one in fields.variables)}")

    for dim in fields.leading:
        if dataset.sizes[dim] > 1 and dim != fields.record:
            raise InputError(f"{name}: holds {dataset.sizes[dim]} along '{dim}'; choose one, --select {dim}=0")

    values = fields.read(found, slice(fields.n_records - 1, fields.n_records))
    values = values.reshape(values.shape[-1])
    at_faces = fields.mesh.to_faces(values) if fields.location(found) == "node" else values
    times = [dataset[key].values for key in ("valid_time", "time") if key in dataset.coords]
    when = np.datetime_as_string(np.ravel(times[0])[-1], "m") if times else "no time"

    return fields.mesh, at_faces, found, str(when)


def chosen_times(dataset: xr.Dataset, name: str, time: str | None, select: list[str] | None) -> xr.Dataset:
    """Take some times, members, starts or trajectories of a dataset.

    Args:
        dataset: fields on a mesh.
        name: name of the file, for messages.
        time: one time or FROM/TO; None takes all.
        select: rows DIM=NUMBER, counted from 0.

    Raises:
        InputError: there is no such dimension, number or time.
    """
    for row in select or []:
        dim, equals, number = row.partition("=")
        if not equals or not number.lstrip("-").isdigit():
            raise InputError(f"--select {row}: expected DIM=NUMBER, for instance member=0")
        if dim not in (*RECORDS, "start", "trajectory", "member") or dim not in dataset.dims:
            raise InputError(f"{name}: has no '{dim}' to select from; it has {', '.join(map(str, dataset.dims))}")

        if not -dataset.sizes[dim] <= int(number) < dataset.sizes[dim]:
            raise InputError(f"--select {row}: {name} holds {dataset.sizes[dim]} along '{dim}', counted from 0")

        dataset = dataset.isel({dim: int(number)})

    return dataset if time is None else _at(dataset, name, time)


def _at(dataset: xr.Dataset, name: str, time: str) -> xr.Dataset:
    dim = next((dim for dim in RECORDS if dim in dataset.dims), None)
    known = dataset["valid_time" if "valid_time" in dataset.coords else "time"]
    if dim is None or known.dims != (dim,):
        raise InputError(f"{name}: has no single row of times to choose from; choose a start first, --select start=0")

    try:
        wanted = [parse_date(part) for part in time.split("/")]
    except InputError:
        raise InputError(f"--time {time}: expected a time such as 2000-01-02T06:00, or a range, FROM/TO") from None

    inside = (known.values >= wanted[0]) & (known.values <= wanted[-1])
    if not inside.any() or len(wanted) > 2:
        first, last = (np.datetime_as_string(known.values[index], "m") for index in (0, -1))
        raise InputError(f"{name}: nothing at --time {time}; it has {len(known)} times from {first} to {last}")

    return dataset.isel({dim: np.flatnonzero(inside)})
