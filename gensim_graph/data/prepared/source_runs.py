"""Sources of a prepared store, joined to runs: the files of one simulation, whose times continue from file to file."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import Source, expand, list_records
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourcePiece:
    """Consecutive records of one trajectory of a source.

    Attributes:
        name: path of the source, absolute, or the name of a dataset.
        trajectory: number of the trajectory in the source; None if it has no such dimension.
        offset: number of the first record.
        times: (T,) datetime64[ns], one step apart.
    """

    name: str
    trajectory: int | None
    offset: int
    times: Array

    @property
    def key(self) -> tuple[str, int | None, int]:
        """Identity of the piece."""
        return self.name, self.trajectory, self.offset


@dataclass(frozen=True)
class SourceList:
    """All sources of a preparation.

    Attributes:
        sources: name -> source.
        pieces: in the order in which the sources were given.
        names: variables that all sources have.
        step: time from record to record.
    """

    sources: dict[str, Source]
    pieces: list[SourcePiece]
    names: tuple[str, ...]
    step: np.timedelta64


def list_sources(
    source: Source | Sequence[Source], mesh: Mesh | None, table: VariableTable, skip_gaps: bool
) -> SourceList:
    """List the records of all sources.

    Args:
        source: files, folders, patterns, datasets.
        mesh: mesh of the result, or None.
        table: the variable table.
        skip_gaps: begin a new piece after a gap in time.

    Raises:
        InputError: a source cannot be used, they differ in variables or time step, or there is a gap in time.
    """
    named = {_name_of(item, number): item for number, item in enumerate(expand(source))}
    listings = {name: list_records(item, mesh, table) for name, item in named.items()}
    steps = {name: _step_of(listing.times) for name, listing in listings.items()}
    step = next((one for one in steps.values() if one is not None), None) or _step_between(listings)

    first = next(iter(listings))
    pieces = []

    for name, listing in listings.items():
        if listing.names != listings[first].names:
            differing = ", ".join(sorted(set(listing.names) ^ set(listings[first].names)))
            raise InputError(f"{name}: differs from {first} in the variables {differing}; give them to all or none")
        if mesh is None and listing.shape != listings[first].shape:
            raise InputError(
                f"{name}: lies on another mesh than {first} ({_sizes(listing.shape)} cells, not "
                f"{_sizes(listings[first].shape)}); bring both to one mesh with --mesh, or prepare a store for each"
            )
        if steps[name] not in (None, step):
            raise InputError(
                f"{name}: its records are {_hours(steps[name])} apart, those of {first} {_hours(step)}; "
                "prepare a store for each"
            )
        runs = _split_at_gaps(name, listing.times, step, skip_gaps)
        numbers = [None] if listing.trajectories is None else range(listing.trajectories)
        pieces += [SourcePiece(name, number, offset, times) for number in numbers for offset, times in runs]

    return SourceList(named, pieces, listings[first].names, step)


def _name_of(item: Source, number: int) -> str:
    if isinstance(item, xr.Dataset):
        return str(item.encoding.get("source", item.attrs.get("origin", "dataset"))) + f" [{number}]"
    return str(Path(item).resolve())


def _step_of(times: Array) -> np.timedelta64 | None:
    """Most frequent step; None for a single time."""
    if len(times) < 2:
        return None
    steps, counts = np.unique(np.diff(times), return_counts=True)
    return steps[counts.argmax()]


def _step_between(listings: dict) -> np.timedelta64:
    """Step between sources of one time each."""
    step = _step_of(np.unique([listing.times[0] for listing in listings.values()]))
    if step is None:
        raise InputError("the data hold a single time; a lead time needs at least two")
    return step


def _split_at_gaps(name: str, times: Array, step: np.timedelta64, skip_gaps: bool) -> list[tuple[int, Array]]:
    """Cut times into runs without a gap: (number of the first record, times)."""
    breaks = np.flatnonzero(np.diff(times) != step) + 1
    if len(breaks) and not skip_gaps:
        before, after = (np.datetime_as_string(times[breaks[0] + shift], "m") for shift in (-1, 0))
        raise InputError(
            f"{name}: its records are {_hours(step)} apart, but none is between {before} and {after} "
            f"({len(breaks)} such gaps); fill them, or leave out the pairs across gaps with --skip-gaps"
        )

    bounds = [0, *breaks.tolist(), len(times)]
    return [(start, times[start:stop]) for start, stop in pairwise(bounds)]


def join_runs(pieces: Sequence[SourcePiece], step: np.timedelta64) -> list[list[SourcePiece]]:
    """Join pieces to runs: a piece continues a run if it begins one step after the end of that run and of no other.

    Where several runs end or several pieces begin at the same time, those in the same folder belong together.

    Args:
        pieces: in the order in which the sources were given.
        step: time from record to record.
    """
    runs: list[list[SourcePiece]] = []
    ordered = sorted(range(len(pieces)), key=lambda number: (pieces[number].times[0], number))

    for start, numbers in groupby(ordered, key=lambda number: pieces[number].times[0]):
        beginning = [pieces[number] for number in numbers]
        ending = [run for run in runs if run[-1].times[-1] + step == start]

        for piece in beginning:
            run = follow(piece, beginning, ending)
            if run is None:
                runs.append([piece])
            else:
                run.append(piece)

    position = {piece.key: number for number, piece in enumerate(pieces)}
    return sorted(runs, key=lambda run: position[run[0].key])


def follow(
    piece: SourcePiece, beginning: Sequence[SourcePiece], ending: Sequence[list[SourcePiece]]
) -> list[SourcePiece] | None:
    """Return the run that a piece continues; None if there is none, or if this is not clear.

    Args:
        piece: the piece.
        beginning: all pieces that begin at the same time.
        ending: all runs that end one step before.
    """
    for near in (False, True):
        before = [run for run in ending if _may_follow(run[-1], piece, near)]
        if len(before) == 1:
            rivals = [one for one in beginning if _may_follow(before[0][-1], one, near)]
            if len(rivals) == 1:
                return before[0]

    return None


def _may_follow(first: SourcePiece, second: SourcePiece, near: bool) -> bool:
    """Return True for the same member of an ensemble in another source; ``near`` asks for the same folder, too."""
    beside = Path(first.name).parent == Path(second.name).parent
    return first.trajectory == second.trajectory and first.name != second.name and (beside or not near)


def _hours(step: np.timedelta64 | None) -> str:
    return "no" if step is None else f"{step / np.timedelta64(1, 'h'):g} h"


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
