"""Plan of a prepared store: its options, and the place of every record of every trajectory in the array.

A trajectory consists of segments; each begins with a shard of its own, so that a store grows by whole shards when later
years are added. The records of a segment come from the pieces of one run of sources, one after the other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gensim_graph.data.prepared.source_runs import SourcePiece, follow, join_runs
from gensim_graph.errors import InputError
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

FORMAT_VERSION = 1
"""Version of the layout of prepared stores."""

SHARD_BYTES = 24e6
"""Size of the values of a shard before compression: few files, and a process that writes needs little memory."""


@dataclass(frozen=True)
class StoredPiece:
    """Where the records of a part of a segment came from.

    Attributes:
        source: name of the source.
        trajectory: number of the trajectory in it, or None.
        offset: number of the first record in it.
        count: number of records.
    """

    source: str
    trajectory: int | None
    offset: int
    count: int

    @property
    def key(self) -> tuple[str, int | None, int]:
        """Identity of the piece."""
        return self.source, self.trajectory, self.offset


@dataclass(frozen=True)
class Segment:
    """Consecutive records of a trajectory.

    Attributes:
        trajectory: number of the trajectory.
        first: number of the first record in the array.
        start: time of the first record, ISO 8601.
        pieces: where the records came from.
    """

    trajectory: int
    first: int
    start: str
    pieces: tuple[StoredPiece, ...]

    @property
    def count(self) -> int:
        """Number of records."""
        return sum(piece.count for piece in self.pieces)

    @property
    def begin(self) -> np.datetime64:
        """Time of the first record."""
        return np.datetime64(self.start, "ns")


@dataclass(frozen=True)
class RecordLayout:
    """Options of a store and the place of its records.

    Attributes:
        mesh: hash of the mesh.
        variables: the variable table, as :meth:`~gensim_graph.VariableTable.to_dict` returns it.
        names: variables in the store, in the order of the channels.
        cells: number of cells.
        precision: see :mod:`~gensim_graph.data.prepared.values.rounding`.
        step_ns: time from record to record, ns.
        lead_steps: records from t to t + lead, for each lead time with statistics.
        skip_gaps: records with missing values are left out.
        shard_records: records in a shard.
        segments: in the order of the array.
    """

    mesh: str
    variables: dict[str, Any]
    names: tuple[str, ...]
    cells: int
    precision: str
    step_ns: int
    lead_steps: tuple[int, ...]
    skip_gaps: bool
    shard_records: int
    segments: tuple[Segment, ...] = ()

    @cached_property
    def table(self) -> VariableTable:
        """The variable table."""
        return VariableTable.from_dict(self.variables)

    @property
    def step(self) -> np.timedelta64:
        """Time from record to record."""
        return np.timedelta64(self.step_ns, "ns")

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return sum(self.shards_of(segment) for segment in self.segments)

    @property
    def n_records(self) -> int:
        """Length of the array along its records, with the padding of last shards."""
        return self.n_shards * self.shard_records

    @cached_property
    def n_state(self) -> int:
        """Number of channels of the state; they come first."""
        table = self.table
        return sum(table[name].role == "state" for name in self.names)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return 1 + max((segment.trajectory for segment in self.segments), default=-1)

    def shards_of(self, segment: Segment) -> int:
        """Return the number of shards of a segment."""
        return -(-segment.count // self.shard_records)

    def records_of(self, trajectory: int) -> tuple[Array, np.datetime64]:
        """Return the numbers of the records of a trajectory in the array, and the time of the first."""
        own = [segment for segment in self.segments if segment.trajectory == trajectory]
        return np.concatenate([segment.first + np.arange(segment.count) for segment in own]), own[0].begin

    def record_times(self) -> Array:
        """Return the time of every record in the array, datetime64[ns]; NaT for the padding of last shards."""
        times = np.full(self.n_records, np.datetime64("NaT"), dtype="datetime64[ns]")
        for trajectory in range(self.n_trajectories):
            records, begin = self.records_of(trajectory)
            times[records] = begin + np.arange(len(records)) * self.step

        return times

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"format_version": FORMAT_VERSION} | asdict(self)

    @classmethod
    def from_dict(cls, rows: dict[str, Any]) -> "RecordLayout":
        """Read what :meth:`to_dict` returned.

        Raises:
            InputError: the store has another version.
        """
        fields = dict(rows)
        version = fields.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise InputError(
                f"is a prepared store of version {version}, this release of gensim-graph reads version "
                f"{FORMAT_VERSION}; prepare the sources again"
            )

        segments = tuple(
            Segment(row["trajectory"], row["first"], row["start"], tuple(StoredPiece(**one) for one in row["pieces"]))
            for row in fields.pop("segments")
        )
        fields["names"], fields["lead_steps"] = tuple(fields["names"]), tuple(fields["lead_steps"])
        return cls(**fields, segments=segments)

    def with_runs(self, pieces: Sequence[SourcePiece]) -> "RecordLayout":
        """Return the layout with further records; pieces that it has already are left out.

        Args:
            pieces: pieces of all sources.

        Raises:
            InputError: a source has other records than when it was stored.
        """
        stored = {piece.key: piece for segment in self.segments for piece in segment.pieces}
        for piece in pieces:
            known = stored.get(piece.key)
            if known is not None and known.count != len(piece.times):
                raise InputError(
                    f"{piece.name}: has {len(piece.times)} records in a row, it had {known.count} when it was stored; "
                    "put later records into a file of their own"
                )

        runs = join_runs([piece for piece in pieces if piece.key not in stored], self.step)
        ending = self._last_pieces()
        layout = self

        for run in runs:
            beginning = [one[0] for one in runs if one[0].times[0] == run[0].times[0]]
            at_end = [one for one in ending if one[0].times[0] + self.step == run[0].times[0]]
            before = follow(run[0], beginning, at_end)
            continued = [number for number, one in enumerate(ending) if one is before]
            trajectory = continued[0] if continued else layout.n_trajectories
            layout = layout._with_run(run, trajectory)

        return layout

    def _last_pieces(self) -> list[list[SourcePiece]]:
        """Last record of each trajectory, as a run."""
        last = {segment.trajectory: segment for segment in self.segments}
        ends = {number: one.begin + (one.count - 1) * self.step for number, one in last.items()}
        return [
            [SourcePiece(last[number].pieces[-1].source, last[number].pieces[-1].trajectory, -1, np.array([end]))]
            for number, end in sorted(ends.items())
        ]

    def _with_run(self, run: Sequence[SourcePiece], trajectory: int) -> "RecordLayout":
        pieces = tuple(StoredPiece(one.name, one.trajectory, one.offset, len(one.times)) for one in run)
        segment = Segment(trajectory, self.n_records, np.datetime_as_string(run[0].times[0]), pieces)

        return replace(self, segments=(*self.segments, segment))


def choose_shard_records(record_bytes: int, longest: int) -> int:
    """Return the number of records in a shard of about 24 MB.

    Args:
        record_bytes: size of a record.
        longest: most records of a source.
    """
    return max(1, min(round(SHARD_BYTES / record_bytes), longest))
