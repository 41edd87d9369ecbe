"""Moved states of a prepared store on disk: computed once, before the first training that needs them.

A file holds the moved variables of some consecutive records, with the cells in the order of the store, so that a sample
reads few pages of it. Beside it stand the moments of the residuals of these records; they are written last and say that
the file is complete. Records that are added to the store later add to the files.
"""

import hashlib
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors.numpy import load_file, save_file

from gensim_graph.data.prepared.prepared_trajectories import PreparedTrajectories
from gensim_graph.data.statistics import RunningMoments
from gensim_graph.system import one_line_bar, write_atomically
from gensim_graph.transport import StateTransport
from gensim_graph.typing import Array

_VERSION = 2
"""Raise this number when the transport changes: files of another version are then not found."""

_FILE_BYTES = 2**25
"""Size of a file, about; a file has at least one record."""

_OPEN_FILES = 64
"""Most files that stay open."""

_MOMENTS = ("count", "mean", "squared")


class MovedFiles:
    """Moved variables of the records of a prepared store with which a pair (t, t + lead) begins.

    Args:
        data: the store.
        transport: of its state.
    """

    def __init__(self, data: PreparedTrajectories, transport: StateTransport) -> None:
        self._data, self._transport = data, transport
        self._channels = transport.amounts + transport.properties
        self._records = max(1, _FILE_BYTES // (4 * data.mesh.n_faces * len(self._channels)))

        key = json.dumps([_VERSION, data.mesh.hash, data.lead_steps, self._channels, transport.seconds])
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        self._folder = data.files.path / f"moved_{name}"
        self._open: OrderedDict[int, tuple[Array, Array]] = OrderedDict()

    def complete(self, progress: bool = True) -> None:
        """Compute what is missing.

        Args:
            progress: show a progress bar.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        if not self._missing():
            return

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / ".lock"), one_line_bar("moving ice", show=progress) as bar:
            missing = self._missing()  # another process may have computed them meanwhile
            task = bar.add_task("", total=sum(map(len, missing.values())))
            for number, pairs in missing.items():
                self._write(number, pairs)
                bar.advance(task, len(pairs))

    def read(self, trajectory: int, start: int, cells: Array | None) -> Array:
        """Read the moved variables of some cells, (n, variable).

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: numbers of the cells; None for all.
        """
        record = int(self._data.record_pairs[trajectory, start, 0])
        records, values = self._values(record // self._records)
        position = self._data.position if cells is None else self._data.position[cells]
        return np.asarray(values[int(np.searchsorted(records, record))][position])

    def add_residual(self, running: RunningMoments) -> None:
        """Add the residuals of all pairs to their moments.

        Args:
            running: moments of the residual, changed in place.
        """
        for number, pairs in self._pairs_of_files().items():
            moments = self._moments(number)
            used = np.isin(moments["record"], list(pairs))
            running.merge(*(moments[name][used] for name in _MOMENTS))

    def _missing(self) -> dict[int, dict[int, tuple[int, int]]]:
        """Those of :meth:`_pairs_of_files` whose files lack a record."""
        return {
            number: pairs
            for number, pairs in self._pairs_of_files().items()
            if not set(pairs) <= set(self._moments(number)["record"].tolist())
        }

    def _pairs_of_files(self) -> dict[int, dict[int, tuple[int, int]]]:
        """Number of a file -> record with which a pair begins -> trajectory and number of the pair."""
        found: dict[int, dict[int, tuple[int, int]]] = {}
        first = self._data.record_pairs[..., 0]
        for (trajectory, start), record in np.ndenumerate(first):
            found.setdefault(int(record) // self._records, {})[int(record)] = trajectory, start

        return found

    def _write(self, number: int, pairs: dict[int, tuple[int, int]]) -> None:
        """Compute a file and, after it, its moments.

        Args:
            number: of the file.
            pairs: record -> trajectory and number of the pair.
        """
        records = np.array(sorted(pairs))
        moved = np.empty((len(records), self._data.mesh.n_faces, len(self._channels)), dtype=np.float32)
        moments: dict[str, list[Array]] = {name: [] for name in _MOMENTS}
        variables = self._data.table.state
        present = np.array([self._data.present[one.name] for one in variables])

        for row, record in enumerate(records.tolist()):
            pair = self._data.read(*pairs[record])
            state, later = (torch.from_numpy(np.ascontiguousarray(one)) for one in (pair.state, pair.next_state))
            with torch.no_grad():
                base = self._transport.moved(state[None], later[None])[0].numpy()
            moved[row, self._data.position] = base[:, self._channels]

            running = RunningMoments(variables)
            running.add(pair.next_state - base, present)
            for name in _MOMENTS:
                moments[name].append(getattr(running, name))

        self._open.pop(number, None)
        self._moments_file(number).unlink(missing_ok=True)
        write_atomically(self._values_file(number), lambda path: _save(path, moved))
        rows = {"record": records} | {name: np.stack(moments[name]) for name in _MOMENTS}
        write_atomically(self._moments_file(number), lambda path: save_file(rows, path))

    def _moments(self, number: int) -> dict[str, Array]:
        """Moments of a file, one row for each record; none if the file is not complete."""
        file = self._moments_file(number)
        return load_file(file) if file.is_file() else {"record": np.zeros(0, dtype=np.int64)}

    def _values_file(self, number: int) -> Path:
        return self._folder / f"{number:07}.npy"

    def _moments_file(self, number: int) -> Path:
        return self._folder / f"{number:07}.safetensors"

    def _values(self, number: int) -> tuple[Array, Array]:
        """Records and values (record, cell, variable) of a file, which stays open."""
        if number not in self._open:
            while len(self._open) >= _OPEN_FILES:
                self._open.popitem(last=False)
            self._open[number] = self._moments(number)["record"], np.load(self._values_file(number), mmap_mode="r")
        self._open.move_to_end(number)

        return self._open[number]


def _save(path: Path, values: Array) -> None:
    with open(path, "wb") as file:
        np.save(file, values)
