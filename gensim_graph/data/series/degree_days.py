r"""Positive and freezing degree days, added up from a series of air temperature.

The degree days of the past W at a time t, in K d, are

.. math:: P(t) = \int_{t-W}^{t} \max(T - T_0, 0) \, dt', \qquad F(t) = \int_{t-W}^{t} \max(T_0 - T, 0) \, dt',

with the melting point of ice :math:`T_0 = 273.15` K, and W of 30 days (``_month``) or 365 days (``_year``). If the series
begins later than t - W, they are added up from its beginning.

One pass over the series computes the running sums from its beginning; the degree days are differences of two of them.
The pass reads a record every three hours at most and keeps the sums of one record a day, between which they are linear.
They lie in a file of the cache, which all loaders of a training read, or in memory if the series is no file.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gensim_graph.data.series.forcing_series import ForcingSeries
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.system import cache_folder, write_atomically
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

TEMPERATURE = "tus"
"""Variable that degree days are computed from, K."""

_MONTH, _YEAR = np.timedelta64(30, "D"), np.timedelta64(365, "D")

DEGREE_DAYS = {"pdd_month": (0, _MONTH), "fdd_month": (1, _MONTH), "pdd_year": (0, _YEAR), "fdd_year": (1, _YEAR)}
"""Slow input -> 0 for positive or 1 for freezing degree days, and the length of the past."""

_MELTING = np.float32(273.15)  # K
_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
_READING_STEP = np.timedelta64(3, "h")
_LONGEST_STEP = 3.0  # in median steps, as in the series
_LARGEST_FOLDER = 10 * 2**30  # bytes
_VERSION = 1  # raise it when the definition changes


class DegreeDays:
    """Degree days on a mesh.

    Args:
        series: the temperature.
        mesh: its mesh.
        names: slow inputs to compute, of :data:`DEGREE_DAYS`.
        first: first time at which they are needed; None for the beginning of the series.
        last: last time at which they are needed; None for its end.

    Raises:
        InputError: a record is missing or cannot be read.
    """

    def __init__(
        self,
        series: ForcingSeries,
        mesh: Mesh,
        names: Sequence[str],
        first: np.datetime64 | None = None,
        last: np.datetime64 | None = None,
    ) -> None:
        self.names = tuple(names)
        self._series, self._n_faces = series.only(TEMPERATURE), mesh.n_faces
        whole = first is None or last is None or series.cycle is not None
        span = (series.times[0], series.times[-1]) if whole else (first - self._longest, last)
        self._records = _records_to_read(series.times, *span)
        self._check_gaps()
        self._kept = _one_a_day(series.times[self._records])
        self.times: Array = series.times[self._records][self._kept]
        self._sums = self._in_memory() if _key(series, mesh, self.times) is None else self._in_file(mesh)

    @property
    def _longest(self) -> np.timedelta64:
        return max(DEGREE_DAYS[name][1] for name in self.names)

    def at(self, time: np.datetime64, faces: Array | None = None) -> dict[str, Array]:
        """Return the degree days at a time.

        Args:
            time: datetime64.
            faces: (n,) numbers of the faces; None for all.

        Returns:
            Name -> (F,) or (n,) float32, K d.
        """
        now = self._series.instant(time)
        result = {}
        for name in self.names:
            kind, length = DEGREE_DAYS[name]
            total = self._sum(kind, now) - self._sum(kind, now - length)
            if self._series.cycle is not None:  # what the period repeats of the time before its beginning
                end = min(self.times[-1], self._series.cycle.end)
                missing = self.times[0] - (now - length)
                if missing > np.timedelta64(0):
                    total += self._sum(kind, end) - self._sum(kind, max(end - missing, now))
            result[name] = total.astype(np.float32) if faces is None else total[faces].astype(np.float32)

        return result

    def _sum(self, kind: int, time: np.datetime64) -> Array:
        """Sum from the beginning to a time, (F,) float64; times outside take the nearest."""
        seconds = (self.times - self.times[0]) / np.timedelta64(1, "s")
        at = float(np.interp((time - self.times[0]) / np.timedelta64(1, "s"), seconds, np.arange(len(seconds))))
        row, share = int(at), at - int(at)
        before = self._row(kind, row)

        return before + share * (self._row(kind, row + 1) - before) if share else before

    def _row(self, kind: int, row: int) -> Array:
        if not isinstance(self._sums, Path):
            return self._sums[row, kind].astype(np.float64)

        start = 4 * self._n_faces * (2 * row + kind)
        return np.fromfile(self._sums, np.float32, self._n_faces, offset=start).astype(np.float64)

    def _running_sums(self) -> Iterator[Array]:
        """Yield positive and freezing sums (2, F) at the times that are kept, by the trapezoidal rule."""
        kept = set(self._kept.tolist())
        sums = np.zeros((2, self._n_faces))
        previous = None

        for number, index in enumerate(self._records):
            excess = self._series.record(int(index))[TEMPERATURE] - _MELTING
            rates = np.stack([np.maximum(excess, 0.0), np.maximum(-excess, 0.0)]).astype(np.float64)
            if previous is not None:
                step = self._series.times[index] - self._series.times[self._records[number - 1]]
                sums += 0.5 * (previous + rates) * float(step / _DAY)
            previous = rates
            if number in kept:
                yield sums.astype(np.float32)

    def _in_memory(self) -> Array:
        return np.stack(list(self._running_sums()))

    def _in_file(self, mesh: Mesh) -> Array | Path:
        folder = cache_folder()
        file = folder / f"{_key(self._series, mesh, self.times)}.degreedays"
        if file.is_file():
            file.touch()  # its modification time says when it was last used
            return file

        log.warning(
            "degree days: adding up %d records of temperature, once; they are kept in %s", len(self._records), folder
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, lambda path: _write(path, self._running_sums()))
        except OSError as error:
            log.warning("degree days are not kept (%s); set GENSIM_GRAPH_CACHE to a folder with room for them", error)
            return self._in_memory()

        _limit_size(folder, newest=file)
        return file

    def _check_gaps(self) -> None:
        times = self._series.times[self._records]
        steps = np.diff(times)
        if len(steps) < 2 or steps.max() <= max(_LONGEST_STEP * np.median(steps), _DAY):
            return

        gap = int(steps.argmax())
        ends = " to ".join(np.datetime_as_string(end, "m") for end in (times[gap], times[gap + 1]))
        raise InputError(
            f"forcing: no temperature ({TEMPERATURE}) from {ends}, which the degree days need; a file may be missing"
        )


def _records_to_read(times: Array, first: np.datetime64, last: np.datetime64) -> Array:
    """Numbers of the records from the last one before ``first`` to the first one after ``last``, thinned out."""
    begin = max(int(np.searchsorted(times, first, side="right")) - 1, 0)
    end = min(int(np.searchsorted(times, last, side="left")), len(times) - 1)
    chosen = [begin]

    for index in range(begin + 1, end + 1):
        if times[index] - times[chosen[-1]] >= _READING_STEP or index == end:
            chosen.append(index)

    return np.array(chosen)


def _one_a_day(times: Array) -> Array:
    """Numbers of the first time of each day, of the first and of the last time."""
    days = times.astype("datetime64[D]")
    return np.unique([0, *(np.flatnonzero(np.diff(days) > np.timedelta64(0)) + 1), len(times) - 1])


def _key(series: ForcingSeries, mesh: Mesh, times: Array) -> str | None:
    """Name of the file of the sums; None if the series is not made of files."""
    digest = hashlib.sha256(f"{_VERSION} {mesh.hash}".encode() + times.astype("int64").tobytes())
    for part in series.parts:
        if not isinstance(part.source, str | Path) or not Path(part.source).is_file():
            return None
        state = Path(part.source).stat()
        digest.update(f"{Path(part.source).resolve()} {state.st_size} {state.st_mtime_ns}".encode())

    return digest.hexdigest()


def _write(path: Path, rows: Iterator[Array]) -> None:
    with path.open("wb") as stream:
        for row in rows:
            stream.write(row.tobytes())


def _limit_size(folder: Path, newest: Path) -> None:
    """Remove the sums that were not used for the longest time, until all together are below the largest size."""
    files = sorted(folder.glob("*.degreedays"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > _LARGEST_FOLDER and file != newest:
            file.unlink(missing_ok=True)
