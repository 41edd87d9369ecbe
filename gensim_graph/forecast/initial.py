"""Initial state of a forecast from a file, ``FILE@TIME``; the other times of the file are not read."""

from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io import find_format, open_store
from gensim_graph.io.cf import is_foreign, with_time
from gensim_graph.io.safe import DATASET_SUFFIXES, opened_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable


def read_initial(source: str, mesh: Mesh | None, table: VariableTable) -> xr.Dataset:
    """Read the state at one time, or at several times, which stay a dimension.

    Args:
        source: ``FILE@TIME`` or ``FILE@TIME,TIME,...``; a file with a single time needs no ``@TIME``.
        mesh: mesh that the state is remapped to; None keeps the mesh of the file.
        table: the variable table.

    Raises:
        InputError: as :func:`~gensim_graph.open_store`, several trajectories, or a time that the file lacks.

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
    path, _, times = source.partition("@")
    file = FilePath(path)

    if file.suffix.lower() in DATASET_SUFFIXES and file.exists() and find_format(file) is None:
        with naming(file), opened_dataset(file) as raw:
            whole = with_time(raw) if is_foreign(raw) else raw
            selected = _select_times(whole, path, times, in_order=True) if "time" in whole.coords else whole
            selected.encoding["source"] = "initial state"
            store = open_store(selected, mesh, table)
    else:
        store = open_store(path, mesh, table)

    with naming(file):
        return _select_times(store, path, times)


def _select_times(store: xr.Dataset, path: str, times: str, in_order: bool = False) -> xr.Dataset:
    """Select times of a dataset.

    Args:
        store: the dataset.
        path: the file, as the user wrote it.
        times: text after the ``@``; empty for the only time.
        in_order: keep the time as a dimension, sorted and without repetitions; otherwise the times come as asked for.
    """
    if "trajectory" in store.dims:
        raise InputError(f"holds {store.sizes['trajectory']} trajectories; name the file of one")

    known = np.atleast_1d(store["time"].values)
    first, last = (np.datetime_as_string(known[index], "m") for index in (0, -1))
    if not times and len(known) > 1:
        raise InputError(f"holds {len(known)} times from {first} to {last}; name one, --initial {path}@{first}")

    wanted = _parse_times(times) if times else known
    missing = wanted[~np.isin(wanted, known)]

    if len(missing):
        raise InputError(
            f"no state at {np.datetime_as_string(missing[0], 'm')}; it has {len(known)} times from {first} to {last}"
        )
    if in_order:
        return store.sel(time=np.unique(wanted))

    return store.sel(time=wanted if len(wanted) > 1 else wanted[0])


def _parse_times(times: str) -> Array:
    try:
        return np.array(times.split(","), dtype="datetime64[ns]")
    except ValueError:
        raise InputError(f"--initial ...@{times}: expected times such as 2000-01-02T00:00") from None
