"""A source of records, opened without reading its fields: how many times and trajectories it has, and where they lie.

netCDF, zarr and xarray datasets stay where they are. Formats of other programs with a special reader are read as a
whole.
"""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import is_foreign, is_gridded
from gensim_graph.io.coordinates import TRAJECTORY, with_trajectories
from gensim_graph.io.formats import PartReader, TimesReader, find_format
from gensim_graph.io.names import known_names, reading, with_known_names
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.io.sources import Source, as_trajectories, with_given_mesh
from gensim_graph.io.store import open_store
from gensim_graph.io.times import times_of, with_own_time, with_time
from gensim_graph.io.ugrid import is_without_mesh, with_topology
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordListing:
    """The records of a source.

    Attributes:
        times: (T,) datetime64[ns], increasing.
        names: variables of the table that the source has, in the order of the table.
        trajectories: number of trajectories; None if the source has no such dimension.
        shape: sizes of the dimensions of its fields other than time and trajectory; other sizes are another mesh.
    """

    times: Array
    names: tuple[str, ...]
    trajectories: int | None
    shape: tuple[int, ...]


def name_of_source(source: Source) -> str:
    """Return the name of a source for messages: its path, or the path that a dataset came from."""
    if isinstance(source, xr.Dataset):
        return str(source.encoding.get("source", source.attrs.get("origin", "dataset")))
    return str(source)


def is_read_whole(source: Source) -> bool:
    """Return True if a source has a special reader, which reads all of it."""
    if isinstance(source, xr.Dataset):
        return False

    path = FilePath(source)
    return not (is_dataset(path) and (is_gridded(path) or find_format(path) is None))


def part_reader(source: Source) -> tuple[TimesReader, PartReader] | None:
    """Return the functions that read the times and a part of a source with a special reader; None for others."""
    if isinstance(source, xr.Dataset) or not is_read_whole(source):
        return None

    known = find_format(FilePath(source))
    return None if known is None else known.in_parts


def open_source_of_records(
    source: Source, mesh: Mesh | None, table: VariableTable, files: ExitStack, read_once: bool = False
) -> xr.Dataset:
    """Open a source with a dimension ``time`` and, if it has several, ``trajectory``.

    Args:
        source: a file or a dataset, lazy or in memory.
        mesh: mesh of data without one, and the plane of data in degrees; None if the source has its own.
        table: the variable table.
        files: exit stack that keeps files open as long as they are read.
        read_once: see :func:`~gensim_graph.io.safe.opened_dataset`.

    Returns:
        The dataset; one in the layout of another program (:func:`~gensim_graph.io.cf.is_foreign`) keeps it.

    Raises:
        InputError: a file that cannot be read, no mesh, or no times.
    """
    if is_read_whole(source):
        known = find_format(FilePath(source))
        log.info("%s: read as a whole (%s)", source, known.name if known else "unknown format")
        return open_store(source, mesh, table, needs="forcing")

    raw = source if isinstance(source, xr.Dataset) else files.enter_context(opened_dataset(FilePath(source), read_once))
    raw = with_topology(raw)

    if is_without_mesh(mesh, raw):
        if mesh is None:
            raise InputError(
                "the data have no mesh topology and no grid; if the values are those of the faces or nodes of a mesh, "
                "give the mesh too (mesh= or --mesh)"
            )
        raw = with_given_mesh(raw, mesh, table)

    if is_foreign(raw):
        return with_time(with_trajectories(raw, report=False))
    return as_trajectories(with_own_time(raw))


def times_of_records(raw: xr.Dataset) -> Array:
    """Return the times of a dataset, (T,) datetime64[ns].

    Raises:
        InputError: no times, none at all, or times that do not increase.
    """
    if "time" not in raw.dims or "time" not in raw.coords:
        raise InputError("needs a dimension 'time' with calendar dates, such as 'hours since 2000-01-01'")

    times = times_of(raw)
    if not len(times) or not (np.diff(times) > np.timedelta64(0)).all():
        raise InputError("its times must increase from record to record, and there must be at least one")

    return times


def list_records(source: Source, mesh: Mesh | None, table: VariableTable) -> RecordListing:
    """List the records of a source; of its fields, at most the first record is read.

    Args:
        source: a file or a dataset.
        mesh: see :func:`open_source_of_records`.
        table: the variable table.

    Raises:
        InputError: see :func:`open_source_of_records`, or none of the variables.
    """
    with ExitStack() as files, naming(name_of_source(source)), reading(table):
        parts = part_reader(source)
        raw = (
            parts[1](FilePath(source), mesh, slice(0, 1))
            if parts
            else open_source_of_records(source, mesh, table, files)
        )
        first = raw.isel(time=[0]) if raw.sizes.get("time") else raw
        named = with_known_names(first, report=False) if is_foreign(raw) else first
        names = tuple(variable.name for variable in table.variables if variable.name in named.variables)

        if not names:
            listed = ", ".join(map(str, raw.data_vars))
            raise InputError(f"no variable of the variable table; it has: {listed or 'no variables'}")

        stored = [raw[name] for name in known_names(raw) if name in raw.variables]
        sizes = {dim: size for one in stored for dim, size in one.sizes.items() if dim not in ("time", TRAJECTORY)}
        shape = tuple(sorted(sizes.values()))

        times = parts[0](FilePath(source)) if parts else times_of_records(raw)
        return RecordListing(times.astype("datetime64[ns]"), names, raw.sizes.get(TRAJECTORY), shape)


def records_in_chunk(raw: xr.Dataset) -> int:
    """Return the number of records that a file stores together, so that reading one of them reads all."""
    sizes = [1]
    for name in known_names(raw):
        column = raw.variables.get(name)
        if column is None or "time" not in column.dims:
            continue
        chunks = column.encoding.get("chunksizes") or column.encoding.get("preferred_chunks") or {}
        chunks = chunks if isinstance(chunks, dict) else dict(zip(column.dims, chunks, strict=False))
        sizes.append(int(chunks.get("time", 1)))

    return max(sizes)
