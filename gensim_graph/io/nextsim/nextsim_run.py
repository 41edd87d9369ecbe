"""The output of a neXtSIM run: one pair ``mesh_NAME``, ``field_NAME`` after the other, in the order of time.

NAME is a date, the number of the output step, or a word. Pairs written before and after a remeshing (``pre_regrid_``,
``post_regrid_``) lie between the regular ones. ``final`` repeats the last state. ``crash`` holds the positions at the
last remeshing and is no output.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_pair import is_pair, pair_files, pair_name
from gensim_graph.io.nextsim.nextsim_records import read_records
from gensim_graph.io.nextsim.nextsim_snapshot import (
    DATE_PATTERN,
    Snapshot,
    date_in_name,
    read_snapshot,
    snapshot_time,
)
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_REGULAR = re.compile(rf"{DATE_PATTERN}|\d+")
_OUTPUT, _BEFORE, _AFTER = range(3)
_REMESHING_PREFIXES = {"pre_regrid_": _BEFORE, "post_regrid_": _AFTER}


def is_nextsim(path: FilePath) -> bool:
    """Return True if a path is a folder with pairs, or a file of a pair."""
    return is_pair(path) if path.is_file() else bool(_names_in(path))


def find_outputs(path: FilePath, remeshings: bool = False) -> list[FilePath]:
    """Return ``mesh_NAME.bin`` of the pairs to read, in no particular order.

    Args:
        path: a folder, or a file of one pair.
        remeshings: also return the pairs before and after remeshings.

    Raises:
        InputError: the folder has no regular output.
    """
    if path.is_file():
        return [pair_files(path)[0]]

    names = _names_in(path)
    regular = [name for name in names if _REGULAR.fullmatch(name)]
    around_remeshings = [name for name in names if name.startswith(tuple(_REMESHING_PREFIXES))]
    words = [name for name in names if name not in regular and name not in around_remeshings and name != "crash"]
    chosen = (regular or words) + (around_remeshings if remeshings else [])

    if not chosen:
        raise InputError(
            f"has no regular output, only {', '.join(names[:3])}; name the files of one pair to read it, or read the "
            "pairs around remeshings with gensim_graph.io.open_moving"
        )

    left_out = [name for name in names if name not in chosen]
    if left_out:
        log.info("%s: not read beside the regular output: %s", path, ", ".join(left_out))

    return [path / f"mesh_{name}.bin" for name in chosen]


def output_times(path: FilePath) -> Array:
    """Return the times of the regular outputs of a run, (T,) datetime64[ns], ascending, without reading the fields.

    Args:
        path: a folder, or a file of one pair.

    Raises:
        InputError: see :func:`find_outputs`.
    """
    with naming(path):
        return np.sort(np.array([_time_and_rank(file)[0] for file in find_outputs(path)], dtype="datetime64[ns]"))


def read_snapshots(path: FilePath, remeshings: bool = False, records: slice = slice(None)) -> Iterator[Snapshot]:
    """Read the snapshots of a run in the order of time, one in memory at a time.

    A pair before a remeshing is left out if the regular output has the same time.

    Args:
        path: a folder, or a file of one pair.
        remeshings: also read the pairs before and after remeshings.
        records: numbers of the pairs to read, in the order of time; all by default.

    Raises:
        InputError: a missing or damaged file, implausible values, or two outputs with the same time.
    """
    order = sorted((_time_and_rank(file), file) for file in find_outputs(path, remeshings))[records]
    previous = None

    for (time, rank), file in order:
        if time == previous and rank == _OUTPUT:
            raise InputError(f"{file.name} has the time of the output before it, {time}; keep one of them")
        if time != previous or rank == _AFTER:
            yield read_snapshot(file)

        previous = time


def _names_in(folder: FilePath) -> list[str]:
    """Return NAME of every pair in a folder, also if one half of the pair is missing."""
    files = [*folder.glob("mesh_*.bin"), *folder.glob("field_*.bin")]
    return sorted({pair_name(file) for file in files})


def _time_and_rank(mesh_file: FilePath) -> tuple[np.datetime64, int]:
    """Return the time of a pair, and its position among the pairs of one time.

    The date in a name is the time to the second, which :func:`read_snapshot` checks; so the file need not be read here.
    """
    name = pair_name(mesh_file)
    field_file = pair_files(mesh_file)[1]
    rank = next((rank for prefix, rank in _REMESHING_PREFIXES.items() if name.startswith(prefix)), _OUTPUT)

    date = date_in_name(name)
    if date is not None:
        return date, rank

    records = read_records(field_file)
    with naming(field_file.name):
        return snapshot_time(name, records), rank
