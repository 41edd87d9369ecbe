"""Running sums of positive and freezing degree days, in a file of the cache or in memory.

They are computed in one pass over a series of temperature, which takes minutes for many years. All loaders of a
training read the same file, row by row, so that it needs no memory.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gensim_graph.data.series.forcing_series import ForcingSeries
from gensim_graph.io import MemberRecords
from gensim_graph.mesh import Mesh
from gensim_graph.system import cache_folder, write_atomically
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

TEMPERATURE = "tus"
"""Variable that degree days are computed from, K."""

_MELTING = np.float32(273.15)  # K
_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
_LARGEST_FOLDER = 10 * 2**30  # bytes
_VERSION = 1  # raise it when the definition changes


class RunningSums:
    """Sums of degree days from the beginning of a series, for each face.

    Args:
        series: the temperature only.
        mesh: its mesh.
        records: (R,) numbers of the records to read.
        kept: (K,) numbers in ``records`` of those of which the sums are kept.

    Raises:
        InputError: a record cannot be read.
    """

    def __init__(self, series: ForcingSeries, mesh: Mesh, records: Array, kept: Array) -> None:
        self._series, self._n_faces = series, mesh.n_faces
        self._records, self._kept = records, frozenset(kept.tolist())
        key = _key(series, mesh, series.times[records[kept]])
        self._rows: Array | Path = self._in_memory() if key is None else self._in_file(f"{key}.degreedays")

    def row(self, kind: int, number: int) -> Array:
        """Return the sums up to one of the records that are kept, (F,) float64, K d.

        Args:
            kind: 0 for positive, 1 for freezing degree days.
            number: of the record among those that are kept.
        """
        if not isinstance(self._rows, Path):
            return self._rows[number, kind].astype(np.float64)

        start = 4 * self._n_faces * (2 * number + kind)
        return np.fromfile(self._rows, np.float32, self._n_faces, offset=start).astype(np.float64)

    def _computed(self) -> Iterator[Array]:
        """Yield positive and freezing sums (2, F) at the records that are kept, by the trapezoidal rule."""
        sums = np.zeros((2, self._n_faces))
        previous = None

        for number, index in enumerate(self._records):
            excess = self._series.record(int(index))[TEMPERATURE] - _MELTING
            rates = np.stack([np.maximum(excess, 0.0), np.maximum(-excess, 0.0)]).astype(np.float64)
            if previous is not None:
                step = self._series.times[index] - self._series.times[self._records[number - 1]]
                sums += 0.5 * (previous + rates) * float(step / _DAY)

            previous = rates
            if number in self._kept:
                yield sums.astype(np.float32)

    def _in_memory(self) -> Array:
        return np.stack(list(self._computed()))

    def _in_file(self, name: str) -> Array | Path:
        folder = cache_folder()
        file = folder / name
        if file.is_file():
            file.touch()  # its modification time says when it was last used
            return file

        log.warning("degree days: adding up %d records of temperature, once; kept in %s", len(self._records), folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, lambda path: _write(path, self._computed()))
        except OSError as error:
            log.warning("degree days are not kept (%s); set GENSIM_GRAPH_CACHE to a folder with room for them", error)
            return self._in_memory()

        _limit_size(folder, newest=file)
        return file


def _key(series: ForcingSeries, mesh: Mesh, times: Array) -> str | None:
    """Name of the file of the sums; None if the series is not made of files."""
    digest = hashlib.sha256(f"{_VERSION} {mesh.hash}".encode() + times.astype("int64").tobytes())
    for part in series.parts:
        if not isinstance(part.source, str | Path) or not Path(part.source).is_file():
            return None
        state = Path(part.source).stat()
        member = f" member {part.member}" if isinstance(part, MemberRecords) else ""
        digest.update(f"{Path(part.source).resolve()} {state.st_size} {state.st_mtime_ns}{member}".encode())

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
