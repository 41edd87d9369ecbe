"""Moments of each record of a prepared store, from which the statistics of any part of it are merged.

A killed preparation leaves the moments of the shards that it has written. As each record has moments of its own and
they are merged in the order of the records, the statistics do not depend on where a preparation stopped, nor on how
many processes took part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from gensim_graph.system import write_atomically
from gensim_graph.typing import Array


@dataclass(frozen=True)
class RecordMoments:
    """Moments of R records with C channels, S of them of the state, for L lead times.

    Attributes:
        valid: (R,) 1 if the record has values, 0 if it is missing or padding.
        mean: (R, C) mean over the cells, of the values as they are stored.
        squared: (R, C) sum of the squared distances from this mean.
        extent: (R, 2, C) smallest and largest value; of a vector, minus and plus its largest magnitude. NaN in stores
            of earlier versions.
        residual_valid: (R, L) 1 if there is a record one lead time before.
        residual_mean: (R, L, S) mean of the change of the state since that record.
        residual_squared: (R, L, S) sum of the squared distances from it.
        largest_error: (R, C) largest difference between the values of the source and the stored ones.
        squared_error: (R, C) sum of the squared differences.
        bytes: (shards,) size of the files of the values.
    """

    valid: Array
    mean: Array
    squared: Array
    extent: Array
    residual_valid: Array
    residual_mean: Array
    residual_squared: Array
    largest_error: Array
    squared_error: Array
    bytes: Array

    @classmethod
    def empty(cls, records: int, channels: int, leads: int, state: int) -> "RecordMoments":
        """Return the moments of records without values, in one shard.

        Args:
            records: number of records.
            channels: number of channels.
            leads: number of lead times.
            state: number of channels of the state.
        """
        return cls(
            np.zeros(records, np.uint8),
            np.zeros((records, channels)),
            np.zeros((records, channels)),
            np.full((records, 2, channels), np.nan),
            np.zeros((records, leads), np.uint8),
            np.zeros((records, leads, state)),
            np.zeros((records, leads, state)),
            np.zeros((records, channels)),
            np.zeros((records, channels)),
            np.zeros(1, np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence["RecordMoments"]) -> "RecordMoments":
        """Join the moments of consecutive shards."""
        names = [one.name for one in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def first(self, records: int, shards: int) -> "RecordMoments":
        """Return the moments of the first records.

        Args:
            records: number of records.
            shards: number of shards.
        """
        names = [one.name for one in fields(self)]
        return RecordMoments(*(getattr(self, name)[: shards if name == "bytes" else records] for name in names))

    def save(self, path: Path) -> None:
        """Write a file, completely or not at all."""
        content = {one.name: np.ascontiguousarray(getattr(self, one.name)) for one in fields(self)}
        write_atomically(path, lambda part: save_file(content, part))

    @classmethod
    def load(cls, path: Path) -> "RecordMoments":
        """Read a file of :meth:`save`; in those of earlier versions, the ranges are not known."""
        content = load_file(path)
        records, channels = content["mean"].shape
        return cls(**({"extent": np.full((records, 2, channels), np.nan)} | content))

    def set_values(self, row: int, channel: int, values: Array, error: Array | None) -> None:
        """Set the moments of one channel of a record.

        Args:
            row: number of the record.
            channel: number of the channel.
            values: (F,) the values as they are stored.
            error: (F,) difference from the source; None for none.
        """
        self.mean[row, channel], self.squared[row, channel] = _moments_of(values)
        if error is not None:
            self.largest_error[row, channel] = np.abs(error).max()
            self.squared_error[row, channel] = np.square(error, dtype=np.float64).sum()

    def set_residual(self, row: int, lead: int, channel: int, change: Array) -> None:
        """Set the moments of the change of one variable of the state.

        Args:
            row: number of the later record.
            lead: number of the lead time.
            channel: number of the variable among those of the state.
            change: (F,) later minus earlier value.
        """
        moments = _moments_of(change)
        self.residual_mean[row, lead, channel], self.residual_squared[row, lead, channel] = moments


def _moments_of(values: Array) -> tuple[float, float]:
    """Mean and sum of the squared distances from it, in float64; the sums do not depend on the number of threads."""
    wide = values.astype(np.float64)
    mean = wide.mean()
    wide -= mean

    return float(mean), float(np.square(wide, out=wide).sum())
