"""Training data in a prepared store, read a few cells at a time."""

import logging
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import get_args

import numpy as np

from gensim_graph.data.prepared.prepared_files import StoreFiles, is_prepared
from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.data.prepared.segment_reader import channel_scales
from gensim_graph.data.prepared.values import CellStore
from gensim_graph.data.statistics import RunningMoments, TrainingMoments
from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.data.trajectories import lead_steps
from gensim_graph.errors import InputError, naming
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Path
from gensim_graph.variables import Role, Variable, VariableTable

log = logging.getLogger(__name__)


class PreparedTrajectories(TrainingData):
    """Trajectories in a prepared store. Opening reads metadata only; a process that reads opens the values for itself.

    If all trajectories are equally long and whole, they are numbered as in memory. Otherwise all pairs (t, t + lead) of
    all trajectories count as one trajectory.

    Args:
        files: the store.
        layout: its layout.
        mesh: its mesh.
        table: the variable table of the training.
        lead_steps: records from t to t + lead.
        skip: records at the beginning of each trajectory that are left out.

    Attributes:
        files: the store.
        record_pairs: (trajectory, pair, 2) numbers of the records of each pair in the array.
        position: (F,) position of each cell of the mesh in the array.

    Raises:
        InputError: no pair is left, or the store is damaged.
    """

    def __init__(
        self, files: StoreFiles, layout: RecordLayout, mesh: Mesh, table: VariableTable, lead_steps: int, skip: int
    ) -> None:
        self.mesh, self.table, self.lead_steps, self.graph_folder = mesh, table, lead_steps, files.graphs
        self.present = {variable.name: variable.name in layout.names for variable in table.variables}
        self.files, self.layout = files, layout
        self._times = layout.record_times()
        self._counts = {role: len(table.select(role)) for role in get_args(Role)}
        self._columns_of = {role: self._channels(table.select(role)) for role in get_args(Role)}

        moments = files.moments(layout)
        files.check_whole(layout, moments.bytes)
        found = _pairs_of(layout, moments.valid.astype(bool), lead_steps, skip)
        pairs = [part for _, _, part in found]
        self._records = [records for _, records, _ in found]
        self._numbers, self._skip = [number for number, _, _ in found], skip
        self._is_regular = len({(len(records), len(part)) for _, records, part in found}) == 1 and all(
            len(part) == len(records) - lead_steps for _, records, part in found
        )

        if self._is_regular:
            self.record_pairs = np.stack(pairs)
        else:
            self.record_pairs = np.concatenate([*pairs, np.zeros((0, 2), dtype=np.int64)])[None]
        if not self.n_pairs:
            raise InputError(f"{files.path}: no pair of records is one lead time ({lead_steps} records) apart")

        order = files.order()
        self.position = np.empty(len(order), dtype=np.int64)
        self.position[order] = np.arange(len(order))
        self._values = CellStore(files.values)
        self._scales = None if layout.precision != "float16" else channel_scales(layout)

    @classmethod
    def open(
        cls,
        path: Path,
        table: VariableTable,
        lead_time: np.timedelta64,
        skip: np.timedelta64 | None = None,
        mesh: Mesh | None = None,
    ) -> "PreparedTrajectories":
        """Open a prepared store.

        Args:
            path: the store.
            table: the variable table of the training.
            lead_time: of one forecast step.
            skip: length of the beginning of each trajectory that is left out; None for all times.
            mesh: mesh that the store must be on; None for any.

        Raises:
            InputError: a store that is not finished, not whole, of another version or on another mesh, or a lead time
                that does not fit its records.
        """
        files = StoreFiles(FilePath(path))
        layout = _finished_layout(files)
        own = files.mesh()

        if mesh is not None and mesh.hash != own.hash:
            raise InputError(
                f"{files.path}: was prepared on another mesh ({own.n_faces} faces) than the one given ({mesh.n_faces} "
                "faces); leave the mesh out, or prepare a store on it (gensim-graph data prepare --mesh)"
            )

        with naming(files.path):
            _check_units(layout, table)
            longest = max(len(layout.records_of(number)[0]) for number in range(layout.n_trajectories))
            times = layout.segments[0].begin + np.arange(longest) * layout.step
            steps = lead_steps(times, lead_time)

        skipped = 0 if skip is None else -int(-np.timedelta64(skip, "ns") // layout.step)
        return cls(files, layout, own, table, steps, skipped)

    @property
    def origin(self) -> str:
        """Names of the sources."""
        return "; ".join(piece.source for segment in self.layout.segments for piece in segment.pieces)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.record_pairs)

    @property
    def n_starts(self) -> int:
        """Number of pairs (t, t + lead) of each trajectory."""
        return self.record_pairs.shape[1]

    def times(self, trajectory: int) -> Array:
        """Return the times of the records, see :meth:`TrainingData.times`.

        Raises:
            InputError: the trajectories have gaps or differ in length.
        """
        if not self._is_regular:
            raise InputError(
                f"{self.files.path}: its trajectories have gaps or differ in length, so their pairs have no common "
                "list of times; pair_times gives the times of one pair"
            )

        start = self.layout.records_of(self._numbers[trajectory])[1]
        return start + (self._skip + np.arange(self.n_starts + self.lead_steps)) * self.layout.step

    def pair_times(self, trajectory: int, start: int) -> tuple[np.datetime64, np.datetime64]:
        """Return the times of a pair, see :meth:`TrainingData.pair_times`; they are known with gaps, too."""
        first, later = self.record_pairs[trajectory, start]
        return self._times[first], self._times[later]

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells; None for all.

        Raises:
            InputError: the store is damaged.
        """
        position = self.position if cells is None else self.position[cells]
        values = self._read(self.record_pairs[trajectory, start], position)

        return StatePair(
            self._columns(values[0], "state"),
            self._columns(values[1], "state"),
            self._columns(values[0], "forcing"),
            self._columns(values[1], "forcing"),
            self._columns(values[0], "slow"),
        )

    def expect(self, trajectory: int, start: int, cells: Array) -> None:
        """Let the disk begin to fetch values, see :meth:`TrainingData.expect`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells.
        """
        self._values.expect(self.record_pairs[trajectory, start], self.position[cells])

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield state, residual, forcing and slow inputs of each record, (T, F, variable) each."""
        before = {later: first for first, later in self.record_pairs.reshape(-1, 2).tolist()}
        for record in self._used_records().tolist():
            pair = np.array([before.get(record, record), record])
            values = self._read(pair, self.position)
            state = self._columns(values[1], "state")[None]
            residual = state - self._columns(values[0], "state")[None]
            forcing, slow = self._columns(values[1], "forcing")[None], self._columns(values[1], "slow")[None]
            yield state, residual if record in before else residual[:0], forcing, slow

    def add_moments(self, moments: TrainingMoments) -> None:
        """Add the moments that were computed when the store was prepared.

        Args:
            moments: they are changed in place.
        """
        if self.lead_steps not in self.layout.lead_steps:
            hours = self.lead_steps * self.layout.step / np.timedelta64(1, "h")
            log.warning(
                "%s: has no statistics for the lead time %g h, so all records are read now; to keep them, prepare a "
                "store with --lead-time %gh",
                self.files.path, hours, hours,
            )  # fmt: skip
            super().add_moments(moments)
            return

        saved, records = self.files.moments(self.layout), self._used_records()
        for running in (moments.state, moments.forcing, moments.slow):
            self._merge(running, saved.mean[records], saved.squared[records], saved.extent[records])

        lead, later = self.layout.lead_steps.index(self.lead_steps), self.record_pairs[..., 1].ravel()
        self._merge(moments.residual, saved.residual_mean[later, lead], saved.residual_squared[later, lead])

    def _merge(self, running: RunningMoments, mean: Array, squared: Array, extent: Array | None = None) -> None:
        """Merge the moments (record, channel) of whole records into those of some variables.

        Args:
            running: changed in place.
            mean: (record, channel).
            squared: (record, channel).
            extent: (record, 2, channel); None if it is not known.
        """
        channels, columns = self._channels(running.variables)
        shape = (len(mean), len(running.variables))
        count, means, sums = np.zeros(shape), np.zeros(shape), np.zeros(shape)

        count[:, columns] = self.mesh.n_faces
        means[:, columns] = mean[:, channels]
        sums[:, columns] = squared[:, channels]
        extents = np.full((len(mean), 2, len(running.variables)), np.nan)
        if extent is not None:
            extents[..., columns] = extent[..., channels]
        running.merge(count, means, sums, extents)

    def _used_records(self) -> Array:
        return np.concatenate(self._records)

    def _channels(self, variables: tuple[Variable, ...]) -> tuple[list[int], list[int]]:
        """Channels of the store and columns of the result of those variables that the store has."""
        columns = [column for column, variable in enumerate(variables) if self.present[variable.name]]
        return [self.layout.names.index(variables[column].name) for column in columns], columns

    def _columns(self, values: Array, role: Role) -> Array:
        """Variables of one role of the values (cell, channel), zero where they are absent; a view if none is."""
        channels, columns = self._columns_of[role]
        count = self._counts[role]
        if channels and len(channels) == count and channels[-1] - channels[0] == count - 1:
            return values[:, channels[0] : channels[-1] + 1]

        result = np.zeros((len(values), count), dtype=np.float32)
        result[:, columns] = values[:, channels]

        return result

    def _read(self, records: Array, position: Array) -> Array:
        """Values (record, cell, channel) float32."""
        whole = len(position) == self.mesh.n_faces
        values = self._values.read(records, slice(None))[:, position] if whole else self._values.read(records, position)
        if np.isnan(values[:, :, 0]).any():
            raise InputError(f"{self.files.path}: record {records.tolist()} has no values; is the copy complete?")

        return values if self._scales is None else values.astype(np.float32) * self._scales


def _pairs_of(layout: RecordLayout, valid: Array, lead_steps: int, skip: int) -> list[tuple[int, Array, Array]]:
    """Number, valid records and pairs (first, later) of each trajectory that is long enough, after ``skip`` records."""
    found = []
    for number in range(layout.n_trajectories):
        own = layout.records_of(number)[0][skip:]
        if len(own) > lead_steps:
            first, later = own[:-lead_steps], own[lead_steps:]
            pairs = np.stack([first, later], axis=1)[valid[first] & valid[later]]
            found.append((number, own[valid[own]], pairs))

    return found


def _finished_layout(files: StoreFiles) -> RecordLayout:
    if not is_prepared(files.path):
        raise InputError(f"{files.path}: is no prepared store; make one with gensim-graph data prepare")

    layout = files.layout(finished=True)
    if layout is None:
        begun = files.layout(finished=False)
        done = len(list(files.journal.glob("*.safetensors")))
        raise InputError(
            f"{files.path}: is not finished, {done} of {begun.n_shards if begun else 0} shards are written; the "
            "command that it began with (gensim-graph data prepare) goes on"
        )

    return layout


def _check_units(layout: RecordLayout, table: VariableTable) -> None:
    stored = layout.table
    for variable in table.variables:
        if variable.name in layout.names and stored[variable.name].units != variable.units:
            raise InputError(
                f"'{variable.name}' is stored in '{stored[variable.name].units}', the variable table has "
                f"'{variable.units}'; prepare the sources again with this table"
            )
