"""Initial state of a forecast from a file, ``FILE@TIME``; the other times of the file are not read."""

from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io import find_format, open_store, parse_date, times_of, with_own_time
from gensim_graph.io.safe import DATASET_SUFFIXES, is_dataset, opened_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable


def read_initial(source: str, mesh: Mesh | None, table: VariableTable, topology: str | None = None) -> xr.Dataset:
    """Read the state at one time, or at several times, which stay a dimension; so do the members of an ensemble.

    Args:
        source: ``FILE@TIME`` or ``FILE@TIME,TIME,...``; a file with a single time needs no ``@TIME``.
        mesh: mesh that the state is remapped to; None keeps the mesh of the file.
        table: the variable table.
        topology: name of the UGRID topology, if the file has several.

    Raises:
        InputError: as :func:`~gensim_graph.open_store`, or a time that the file lacks.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.forecast import read_initial
        >>> file = cyclone_trajectories("test")[0]
        >>> state = read_initial(f"{file}@2000-01-02T12:00", None, gg.default_variables())
        >>> state["time"].dt.strftime("%Y-%m-%d %H:%M").item()
        '2000-01-02 12:00'
        >>> state["sic"].dims
        ('face',)
    """
    path, wanted = split_initial(source)
    file = FilePath(path)

    if is_dataset(file) and file.exists() and find_format(file) is None:
        with naming(file), opened_dataset(file) as stored:
            raw = with_own_time(stored)
            selected = _select_times(raw, path, wanted, in_order=True) if "time" in raw.coords else raw
            selected.encoding["source"] = "initial state"
            store = open_store(selected, mesh, table, topology=topology).assign_attrs(origin=path)
    else:
        store = open_store(path, mesh, table, topology=topology)

    with naming(file):
        return _select_times(store, path, wanted)


def split_initial(source: str) -> tuple[str, Array]:
    """Split ``FILE@TIME,TIME`` at the last ``@`` that times follow; the path may contain other ones.

    Args:
        source: file, or file and times.

    Returns:
        The file, and datetime64[ns] in UTC, empty without times.

    Raises:
        InputError: the file exists and what follows it is no time.

    Example:
        >>> from gensim_graph.forecast import split_initial
        >>> split_initial("runs@home/state.nc@2000-01-02T00:00+01:00")
        ('runs@home/state.nc', array(['2000-01-01T23:00:00.000000000'], dtype='datetime64[ns]'))
    """
    path, at, times = source.rpartition("@")
    nothing = np.empty(0, dtype="datetime64[ns]")
    if not at or (FilePath(source).exists() and not FilePath(path).exists()):
        return source, nothing

    try:
        return path, np.array([parse_date(part) for part in times.split(",")])
    except InputError as error:
        if "/" in times or not _is_file(path):  # the @ belongs to the path
            return source, nothing
        raise InputError(f"--initial ...@{times}: expected times such as 2000-01-02T00:00 ({error})") from None


def _is_file(path: str) -> bool:
    """Return True if a path without its times exists, or is called like a file."""
    return FilePath(path).exists() or FilePath(path).suffix.lower() in DATASET_SUFFIXES


def _select_times(store: xr.Dataset, path: str, times: Array, in_order: bool = False) -> xr.Dataset:
    """Select times of a dataset.

    Args:
        store: the dataset.
        path: the file, as the user wrote it.
        times: times to select, datetime64[ns]; empty for the only time.
        in_order: keep the time as a dimension, sorted and without repetitions; otherwise the times come as asked for.
    """
    known = np.atleast_1d(times_of(store))
    first, last = (np.datetime_as_string(known[index], "m") for index in (0, -1))
    if not len(times) and len(known) > 1:
        raise InputError(f"holds {len(known)} times from {first} to {last}; name one, --initial {path}@{first}")

    wanted = times if len(times) else known
    missing = wanted[~np.isin(wanted, known)]

    if len(missing):
        raise InputError(
            f"no state at {np.datetime_as_string(missing[0], 'm')}; it has {len(known)} times from {first} to {last}"
        )
    if in_order:
        return store.sel(time=np.unique(wanted))

    return store.sel(time=wanted if len(wanted) > 1 else wanted[0])
