"""Records of a segment, read from its sources a few at a time and rounded as they will be stored."""

import gc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from gensim_graph.data.prepared.record_layout import RecordLayout, Segment, StoredPiece
from gensim_graph.data.prepared.values import CellStore, StoredPrecision
from gensim_graph.errors import InputError, MissingValuesError, naming
from gensim_graph.io import ArchiveFile, Source
from gensim_graph.mesh import Mesh
from gensim_graph.system import free_memory
from gensim_graph.typing import Array

_LARGEST_BLOCK = 2**28
"""Bytes of records that are kept because the file stores them together."""

_KEPT_BY_SYSTEM = 0.5
"""Part of the free memory that an archive may fill. What is read of a larger one is forgotten at once."""


class SegmentReader:
    """Reader of the records of segments; the last source stays open.

    Args:
        layout: plan of the store.
        sources: name -> source.
        mesh: mesh of the store.
    """

    def __init__(self, layout: RecordLayout, sources: Mapping[str, Source], mesh: Mesh) -> None:
        self.layout = layout
        self._sources, self._mesh, self._table = sources, mesh, layout.table
        size = 4 * layout.n_records * layout.cells * len(layout.names)
        self._read_once = size > _KEPT_BY_SYSTEM * free_memory(torch.device("cpu"))
        self._open: tuple[tuple[str, int | None], ArchiveFile] | None = None
        self._block: tuple[tuple, Array] | None = None

    def read(self, segment: Segment, start: int, out: Array) -> None:
        """Read consecutive records of a segment; NaN where a record is missing.

        Args:
            segment: the segment.
            start: number of the first record in the segment.
            out: (C, records, F) float32, filled.

        Raises:
            InputError: a source cannot be read, or values are missing and are not to be left out.
        """
        stop = start + out.shape[1]
        begin = 0

        for piece in segment.pieces:
            first, last = max(start, begin), min(stop, begin + piece.count)
            if first < last:
                self._fill(piece, first - begin, last - begin, out[:, first - start : last - start])
            begin += piece.count

    def close(self) -> None:
        """Close the source that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = self._block = None
            gc.collect()  # a closed file and its mesh refer to each other; many of them would fill the memory

    def _fill(self, piece: StoredPiece, first: int, last: int, out: Array) -> None:
        """Copy records of a piece to ``out``; those that the file stores together are read together and kept."""
        file = self._file(piece)
        block_bytes = file.chunk * self.layout.cells * len(self.layout.names) * 4
        if file.chunk == 1 or block_bytes > _LARGEST_BLOCK:
            self._read_piece(piece, slice(piece.offset + first, piece.offset + last), out)
            return

        for number in range((piece.offset + first) // file.chunk, (piece.offset + last - 1) // file.chunk + 1):
            start = max(number * file.chunk, piece.offset)
            stop = min((number + 1) * file.chunk, piece.offset + piece.count)
            if self._block is None or self._block[0] != (piece.key, number):
                self._block = None  # its memory is free before the next block is read
                values = np.empty((len(self.layout.names), stop - start, self.layout.cells), dtype=np.float32)
                self._read_piece(piece, slice(start, stop), values)
                self._block = (piece.key, number), values

            begin, end = max(start, piece.offset + first), min(stop, piece.offset + last)
            shift = piece.offset + first
            out[:, begin - shift : end - shift] = self._block[1][:, begin - start : end - start]

    def _read_piece(self, piece: StoredPiece, run: slice, out: Array) -> None:
        """Read consecutive records of a source into ``out``; if some are missing, one by one."""
        file = self._file(piece)
        try:
            found = file.read(run)
        except MissingValuesError as error:
            if not self.layout.skip_gaps:
                raise InputError(f"{error}; or leave out these times with --skip-gaps") from None
            if run.stop - run.start == 1:
                out[:] = np.nan
                return
            for row, index in enumerate(range(run.start, run.stop)):
                self._read_piece(piece, slice(index, index + 1), out[:, row : row + 1])
            return

        for channel, name in enumerate(self.layout.names):
            if name not in found:
                raise InputError(f"{file.name}: '{name}' is not on the faces or nodes of the mesh at every time")
            out[channel] = found[name]

    def _file(self, piece: StoredPiece) -> ArchiveFile:
        key = (piece.source, piece.trajectory)
        if self._open is None or self._open[0] != key:
            self.close()
            source = self._sources.get(piece.source, Path(piece.source))
            self._open = key, ArchiveFile(source, self._mesh, self._table, piece.trajectory, self._read_once)

        return self._open[1]


def rounded_channels(values: Array, layout: RecordLayout) -> Array:
    """Return values as they are read back from the store.

    Args:
        values: (C, records, F) float32.
        layout: plan of the store.

    Raises:
        InputError: a value is too large for the precision.
    """
    precision, table = StoredPrecision(layout.precision), layout.table
    if precision.is_exact:
        return values

    rounded = np.empty_like(values)
    for channel, name in enumerate(layout.names):
        rounded[channel] = precision.rounded(values[channel], table[name])

    return rounded


def read_stored(store: CellStore, layout: RecordLayout, records: Array, position: Array) -> Array:
    """Read whole records that are stored already, (C, records, F) float32 in the order of the mesh.

    Args:
        store: the array.
        layout: plan of the store.
        records: numbers of the records.
        position: (F,) position of each cell of the mesh in the array.
    """
    with naming(store.path.parent):
        stored = store.read(records, slice(None))

    return np.moveaxis(stored[:, position].astype(np.float32) * channel_scales(layout), 2, 0)


def channel_scales(layout: RecordLayout) -> Array:
    """Return the numbers by which stored values are multiplied, (C,) float32 powers of two."""
    precision, table = StoredPrecision(layout.precision), layout.table
    return np.array([precision.scale(table[name]) for name in layout.names], dtype=np.float32)
