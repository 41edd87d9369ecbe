"""All records of the training data as one table on a device, and the decision whether it belongs there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch

from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.errors import InputError
from gensim_graph.system import free_memory, size_in_words
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import VariableTable

_MEMORY_SHARE = 0.4
"""Largest part of the free memory of the device that the records may take; the rest is for the training."""

_BYTES = 4
"""Of a value in single precision."""


@dataclass(frozen=True)
class RecordRows:
    """Places of the records in the table: a row for each cell of each time of each trajectory, one part after another.

    Attributes:
        first: first row of each part of the data.
        times: number of records of a trajectory, for each part.
        faces: number of cells of the mesh, for each part.
        later: rows from a time t to t + lead, for each part.
        count: number of rows of all parts together.
    """

    first: tuple[int, ...]
    times: tuple[int, ...]
    faces: tuple[int, ...]
    later: tuple[int, ...]
    count: int

    @classmethod
    def of(cls, data: Sequence[TrainingData]) -> "RecordRows":
        """Lay out the records of training data.

        Args:
            data: on any number of meshes.
        """
        times = tuple(part.n_starts + part.lead_steps for part in data)
        faces = tuple(part.mesh.n_faces for part in data)
        later = tuple(part.lead_steps * part.mesh.n_faces for part in data)
        sizes = [part.n_trajectories * length * cells for part, length, cells in zip(data, times, faces, strict=True)]

        *first, count = accumulate(sizes, initial=0)
        return cls(tuple(first), times, faces, later, count)

    def of_record(self, part: int, trajectory: int, time: int) -> int:
        """Return the row of the first cell of a record.

        Args:
            part: number of the part of the data.
            trajectory: number of the trajectory.
            time: number of the record, which is that of the pair (t, t + lead) that starts there.
        """
        return self.first[part] + (trajectory * self.times[part] + time) * self.faces[part]


@dataclass(frozen=True)
class DeviceRecords:
    """The records of all training data on a device, in the units of the variable table.

    Attributes:
        rows: places of the records.
        values: (row, column): state, forcing, slow inputs, and where ice is transported also the state from which the
            residual is counted.
        widths: number of columns of each of the four.
    """

    rows: RecordRows
    values: Float[Tensor, "row column"]
    widths: tuple[int, int, int, int]

    @classmethod
    def of(cls, data: Sequence[TrainingData], table: VariableTable, device: torch.device) -> "DeviceRecords":
        """Copy training data to a device, one trajectory after another.

        Args:
            data: on any number of meshes.
            table: the variable table.
            device: that computes.
        """
        rows, widths = RecordRows.of(data), _widths(data, table)
        values = torch.empty(rows.count, sum(widths), device=device)

        for number, part in enumerate(data):
            for trajectory in range(part.n_trajectories):
                records = _records(part, trajectory, widths)
                begin = rows.of_record(number, trajectory, 0)
                values[begin : begin + len(records)].copy_(torch.from_numpy(records))

        return cls(rows, values, widths)


def belongs_on_device(choice: str, data: Sequence[TrainingData], table: VariableTable, device: torch.device) -> bool:
    """Return True if the training data shall be kept on the device.

    Args:
        choice: ``auto`` for data in memory that take at most 40 % of the free memory of a GPU; ``true`` or ``false``.
        data: on any number of meshes.
        table: the variable table.
        device: that computes.

    Raises:
        InputError: ``true`` for data that are not in memory, or too large for the device.
    """
    if choice == "false" or (choice == "auto" and device.type != "cuda"):
        return False

    in_memory = all(part.is_in_memory for part in data)
    if not in_memory:
        if choice == "auto":
            return False
        raise InputError(
            "data.on_device=true: expected training data in memory, came a prepared store or forcing from other "
            "files; take data.on_device=auto"
        )

    size, room = RecordRows.of(data).count * sum(_widths(data, table)) * _BYTES, _MEMORY_SHARE * free_memory(device)
    if choice == "true" and size > room:
        raise InputError(
            f"data.on_device=true: the training data take {size_in_words(size)}, and {size_in_words(int(room))} of "
            f"{device} may be used ({_MEMORY_SHARE:.0%} of its free memory); take data.on_device=auto"
        )

    return size <= room


def _widths(data: Sequence[TrainingData], table: VariableTable) -> tuple[int, int, int, int]:
    """Columns of state, forcing, slow inputs and base."""
    is_moved = any(part.read(0, 0).moved is not None for part in data)
    state = len(table.state)
    return state, len(table.forcing), len(table.slow), state if is_moved else 0


def _records(part: TrainingData, trajectory: int, widths: tuple[int, int, int, int]) -> Array:
    """Rows of all records of a trajectory; zero where no pair needs a value."""
    records = np.zeros((part.n_starts + part.lead_steps, part.mesh.n_faces, sum(widths)), dtype=np.float32)

    for start in range(part.n_starts):
        pair = part.read(trajectory, start)
        _write(records[start], _columns_now(pair, bool(widths[3])))
        _write(records[start + part.lead_steps], [pair.next_state, pair.next_forcing])

    return records.reshape(-1, sum(widths))


def _columns_now(pair: StatePair, is_moved: bool) -> list[Array]:
    return [pair.state, pair.forcing, pair.slow, *([pair.base] if is_moved else [])]


def _write(record: Array, columns: Sequence[Array]) -> None:
    """Write fields next to each other into a record (F, column), beginning with its first column."""
    joined = np.concatenate(columns, axis=-1)
    record[:, : joined.shape[1]] = joined
