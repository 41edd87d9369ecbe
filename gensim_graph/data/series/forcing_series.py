"""Variables that share their records in time, read when they are needed and interpolated between their times.

Wind may come hour by hour from one set of files and temperature day by day from another. Each is a series with times of
its own.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from gensim_graph.data.cycle import Cycle, cycle_of
from gensim_graph.errors import InputError
from gensim_graph.io import MemberRecords, Records
from gensim_graph.io.export import FieldValues
from gensim_graph.typing import Array

_RECORDS_KEPT = 3
"""Whole records in memory: the two around one time, and the one that the next time adds."""

_FILES_OPEN = 100
"""Files that are open at once; each takes a megabyte or two for each variable."""

_LONGEST_STEP = 3.0
"""Longest step between two records that is interpolated, in median steps: a longer one is a gap in the files."""


class ForcingSeries:
    """Some variables with the same records.

    Args:
        names: the variables; both components of a vector.
        parts: files that follow each other in time.
        interpolate: interpolate linearly in time between records.
        cycle: period that repeats; None for a record that does not.

    Attributes:
        times: (T,) datetime64[ns] of all records.
        n_members: number of members of an ensemble; 1 for a single record.

    Raises:
        InputError: files with different numbers of members.
    """

    def __init__(
        self,
        names: Sequence[str],
        parts: Sequence[Records | MemberRecords],
        interpolate: bool,
        cycle: Cycle | None,
    ) -> None:
        self.names, self.parts, self.cycle = tuple(names), tuple(parts), cycle
        self.times: Array = np.concatenate([part.times for part in parts])
        self.n_members = _common_members(self.parts)
        self._interpolate = interpolate
        self._first = np.cumsum([0, *(len(part.times) for part in parts)])
        self._longest = _LONGEST_STEP * np.median(np.diff(self.times)) if len(self.times) > 2 else None
        self._kept: dict[int, FieldValues] = {}
        self._open: dict[int, Records | MemberRecords] = {}  # the file that was read last is the last one

    @property
    def origin(self) -> str:
        """Names of the first and the last file, for messages."""
        return " to ".join(dict.fromkeys(part.name for part in (self.parts[0], self.parts[-1])))

    def at(self, time: np.datetime64, faces: Array | None = None) -> FieldValues:
        """Return the values at a time.

        Args:
            time: datetime64.
            faces: (n,) numbers of the faces; None for all.

        Returns:
            Variable -> (F,) or (n,) float32.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        before, after, share = self.around(time)
        values = self.record(before, faces)
        if not share:
            return values

        later = self.record(after, faces)
        weight = np.float32(share)
        return {name: (1 - weight) * values[name] + weight * later[name] for name in self.names}

    def around(self, time: np.datetime64) -> tuple[int, int, float]:
        """Return the numbers of the records before and after a time, and the weight of the second.

        Raises:
            InputError: there are no values at that time.
        """
        wanted = self.instant(time)
        last = int(np.searchsorted(self.times, wanted, side="right")) - 1
        if last >= 0 and self.times[last] == wanted:
            return last, last, 0.0

        following, after = self._following(last)
        if last < 0 or following is None:
            raise InputError(self._nothing_at(time, "repeat it (--repeat-forcing)"))
        if not self._interpolate:
            raise InputError(self._nothing_at(time, "interpolate between its times (--interpolate)"))
        if self._longest is not None and following - self.times[last] > self._longest:
            gap = " to ".join(np.datetime_as_string(end, "m") for end in (self.times[last], following))
            raise InputError(self._nothing_at(time, f"fill its gap from {gap}: a file may be missing"))

        return last, after, float((wanted - self.times[last]) / (following - self.times[last]))

    def instant(self, time: np.datetime64) -> np.datetime64:
        """Return the time of the record that is used for a time: the same, or one of the period that repeats."""
        return time.astype("datetime64[ns]") if self.cycle is None else self.cycle.equivalent(time)

    def record(self, index: int, faces: Array | None = None) -> FieldValues:
        """Read one record; the last whole records stay in memory.

        Args:
            index: number of the record in :attr:`times`.
            faces: (n,) numbers of the faces; None for all.

        Raises:
            InputError: see :meth:`~gensim_graph.io.Records.read`.
        """
        if faces is not None:
            return self._read(index, faces)

        if index not in self._kept:
            while len(self._kept) >= _RECORDS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[index] = self._read(index)

        return self._kept[index]

    def only(self, name: str) -> "ForcingSeries":
        """Return the series of one of the variables, which reads no other."""
        return ForcingSeries([name], self.parts, self._interpolate, self.cycle)

    def of_member(self, member: int) -> "ForcingSeries":
        """Return the series of one member of an ensemble; the same series if it has no members.

        Args:
            member: its number.
        """
        if self.n_members == 1:
            return self

        parts = [one if isinstance(one, MemberRecords) else MemberRecords(one, member) for one in self.parts]
        return ForcingSeries(self.names, parts, self._interpolate, self.cycle)

    def close(self) -> None:
        """Close the files; they are opened again when they are read."""
        for part in self.parts:
            part.close()

    def _read(self, index: int, faces: Array | None = None) -> FieldValues:
        part = int(np.searchsorted(self._first, index, side="right")) - 1
        self._open.pop(part, None)
        self._open[part] = self.parts[part]
        if len(self._open) > _FILES_OPEN:
            self._open.pop(next(iter(self._open))).close()

        return self.parts[part].read(index - int(self._first[part]), faces, self.names)

    def _following(self, index: int) -> tuple[np.datetime64 | None, int]:
        """Return time and number of the record after ``index``; at the end of a cycle it is the first record."""
        end = len(self.times) if self.cycle is None else int(np.searchsorted(self.times, self.cycle.end))
        if index + 1 < end:
            return self.times[index + 1], index + 1
        return (None, -1) if self.cycle is None else (self.cycle.end, 0)

    def _nothing_at(self, time: np.datetime64, advice: str) -> str:
        first, last = (np.datetime_as_string(end, "m") for end in (self.times[0], self.times[-1]))
        return (
            f"forcing: no values at {np.datetime_as_string(time, 'm')} of {', '.join(self.names)}, which are needed; "
            f"it runs from {first} to {last} ({len(self.times)} times); give one that covers all times, or {advice}"
        )


def series_of(parts: Sequence[Records], interpolate: bool, repeat: bool) -> list[ForcingSeries]:
    """Sort files by the variables that they hold, and join those that follow each other in time.

    Args:
        parts: files in any order.
        interpolate: interpolate linearly in time between records.
        repeat: repeat the records.

    Raises:
        InputError: two files have the same variable at the same times, or a single time shall be repeated.
    """
    ordered = sorted(parts, key=lambda part: part.times[0])
    files: dict[str, list[int]] = {}
    for number, part in enumerate(ordered):
        for name in part.names:
            files.setdefault(name, []).append(number)

    groups: dict[tuple[int, ...], list[str]] = {}
    for name, numbers in files.items():
        groups.setdefault(tuple(numbers), []).append(name)

    result = []
    for members, names in groups.items():
        chosen = [ordered[number] for number in members]
        _check_order(chosen, names)
        cycle = cycle_of(np.concatenate([part.times for part in chosen])) if repeat else None
        result.append(ForcingSeries(names, chosen, interpolate, cycle))

    return result


def _common_members(parts: Sequence[Records | MemberRecords]) -> int:
    counts = {part.n_members: part.name for part in parts}
    if len(counts) > 1:
        (one, name), (other, other_name) = list(counts.items())[:2]
        raise InputError(
            f"forcing: {name} has {one} members and {other_name} {other}; give files that follow each other in time "
            "with the same members"
        )
    return next(iter(counts))


def _check_order(parts: Sequence[Records], names: Sequence[str]) -> None:
    for earlier, later in itertools.pairwise(parts):
        if later.times[0] <= earlier.times[-1]:
            raise InputError(
                f"forcing: {earlier.name} and {later.name} overlap in time, and both have {', '.join(names)}; give "
                "each variable once at each time. Members of an ensemble belong in one file, along a dimension 'member'"
            )
