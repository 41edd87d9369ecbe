"""Tables of the clusters, and the clusters in chunks: keys and values are gathered for a few clusters at a time.

A chunk is a millisecond of work or less, and a view of a tensor takes a microsecond to make. So the tables are split
for all chunks at once, and the buffer for gathered keys and values is used again and again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gensim_graph.nn.native import HEAD_CHANNELS, HEAD_CONTENT
from gensim_graph.typing import Float, Int, Tensor

_CHUNK_ELEMENTS = 2**17
"""Gathered keys (numbers) that a core works on at a time: 0.5 MB, and as much for the values."""

_GPU_CHUNK_ELEMENTS = 2**26


class ChunkTables(NamedTuple):
    """Tables of the clusters, positions about their centres and in units of their reach.

    Attributes:
        halo: (C, K) token of each key.
        counts: (C,) number of keys of each cluster, gaps between them included; those beyond are padding.
        channels: (C, 2, K, 8) factors of the last eight channels of each key and of its value.
        query_pos: (C, W, 2).
        steepness: (C, W) (reach of the cluster / reach of the query)^2, 0 for padding.
        taper: (C, W, K), or (0, W, K) if it is too large to be kept and is computed chunk by chunk.
    """

    halo: Int[Tensor, "cluster key"]
    counts: Int[Tensor, " cluster"]
    channels: Float[Tensor, "cluster 2 key 8"]
    query_pos: Float[Tensor, "cluster query 2"]
    steepness: Float[Tensor, "cluster query"]
    taper: Float[Tensor, "stored query key"]


def chunk_of_clusters(elements: int, device: torch.device) -> int:
    """Return how many clusters to take at a time.

    Args:
        elements: numbers that one cluster gathers.
        device: on a processor, the heads of a chunk keep several cores busy.
    """
    if device.type != "cpu":
        return max(1, _GPU_CHUNK_ELEMENTS // elements)
    return max(1, torch.get_num_threads() * _CHUNK_ELEMENTS // elements)


def cluster_taper(
    query_pos: Float[Tensor, "cluster query 2"],
    key_pos: Float[Tensor, "cluster key 2"],
    steepness: Float[Tensor, "cluster query"],
) -> Float[Tensor, "cluster query key"]:
    """2 log(1 - s^2), -inf at the radius and beyond; 0 for padded queries.

    Args:
        query_pos: (C, W, 2) about the centre of each cluster, in units of its reach.
        key_pos: (C, K, 2) likewise.
        steepness: (C, W): s^2 is the squared distance times this. 0 for padded queries.
    """
    x, y = key_pos.unsqueeze(1).unbind(-1)
    distance2 = (x - query_pos[..., :1]).square_()
    distance2.addcmul_(y - query_pos[..., 1:], y - query_pos[..., 1:])
    inside = distance2.mul_(-steepness.unsqueeze(-1)).clamp_(min=-1)
    return inside.log1p_().mul_(2)


class _Views(NamedTuple):
    """A buffer for the keys and values of a chunk, seen as rows, keys, values, and the last eight channels of both.

    They lie head by head, so that a core attends to keys that it gathered itself and still has in its cache.
    """

    rows: Float[Tensor, "row 64"]
    keys: Float[Tensor, "cluster head key 64"]
    values: Float[Tensor, "cluster head key 64"]
    last_channels: Float[Tensor, "cluster head 2 key 8"]


def _views(buffer: Tensor, clusters: int, count: int, heads: int) -> _Views:
    rows = buffer[: clusters * heads * 2 * count]
    both = rows.view(clusters, heads, 2, count, HEAD_CHANNELS)
    keys, values = both.unbind(2)
    return _Views(rows, keys, values, both[..., HEAD_CONTENT:])


class Gather(NamedTuple):
    """Gathering keys and values of one chunk.

    Attributes:
        halo: token of each key.
        rows: rows of keys and values in the table of pairs.
        channels: factors of the last eight channels.
        views: buffer.
    """

    halo: Int[Tensor, "cluster key"]
    rows: Int[Tensor, "cluster slot key"]
    channels: Float[Tensor, "cluster 1 2 key 8"]
    views: _Views

    def __call__(self, pairs: Float[Tensor, "token head 128"]) -> tuple[Tensor, Tensor]:
        """Gather keys and values (cluster, head, key, 64)."""
        table, rows = pairs.view(-1, HEAD_CHANNELS), self.views.rows
        if table.dtype == rows.dtype:
            torch.index_select(table, 0, self.rows.flatten(), out=rows)
        else:
            rows.copy_(table.index_select(0, self.rows.flatten()))

        self.views.last_channels.mul_(self.channels)
        return self.views.keys, self.views.values

    def add_gradients(self, grad_keys: Tensor, grad_values: Tensor, grad: Float[Tensor, "token head 128"]) -> None:
        """Add the gradients of gathered keys and values to those of the tokens.

        Args:
            grad_keys, grad_values: (cluster, head, key, 64); the values are changed in place.
            grad: (T, H, 128) gradient of the pairs, added to in place.
        """
        grad_values[..., HEAD_CONTENT:] *= self.channels[:, :, 1]
        tokens = self.halo[:, : grad_keys.shape[2]].flatten()
        # Whole contiguous rows: PyTorch adds them seven times faster than pieces of rows.
        rows = torch.cat((grad_keys.transpose(1, 2), grad_values.transpose(1, 2)), dim=-1).flatten(0, 1)
        grad.flatten(1).index_add_(0, tokens, rows.flatten(1))


@dataclass(frozen=True)
class Chunks:
    """The clusters, some at a time; iterates over pairs of :class:`Gather` and taper (cluster, 1, query, key).

    Attributes:
        tables: of all clusters.
        heads: number of heads.
        step: clusters of a chunk.
        counts: keys of each chunk.
    """

    tables: ChunkTables
    heads: int
    step: int
    counts: list[int]

    def __iter__(self) -> Iterator[tuple[Gather, Tensor]]:
        yield from zip(self._gathers(), self._masks(), strict=True)

    def split(self, tokens: Float[Tensor, "batch token head channel"]) -> list[tuple[Tensor, ...]]:
        """Views (cluster, head, token, channel) of each chunk, for each sample."""
        by_head = tokens.unflatten(1, (-1, self.tables.steepness.shape[1])).transpose(2, 3)
        return [sample.split(self.step) for sample in by_head]

    def _gathers(self) -> Iterator[Gather]:
        halo, channels = self.tables.halo, self.tables.channels.unsqueeze(1)
        slots = torch.arange(2 * self.heads, device=halo.device).unsqueeze(1)
        first_rows = (halo * len(slots)).unsqueeze(1).split(self.step)
        buffer = channels.new_empty(self.step * 2 * self.heads * halo.shape[1], HEAD_CHANNELS)
        views: dict[tuple[int, int], _Views] = {}
        parts = (halo.split(self.step), first_rows, channels.split(self.step), self.counts)

        for tokens, rows, factors, count in zip(*parts, strict=True):
            size = len(tokens), count
            if size not in views:
                views[size] = _views(buffer, *size, self.heads)
            yield Gather(tokens, rows[..., :count] + slots, factors[..., :count, :], views[size])

    def _masks(self) -> Iterator[Tensor]:
        if len(self.tables.taper):
            for part, count in zip(self.tables.taper.unsqueeze(1).split(self.step), self.counts, strict=True):
                yield part[..., :count]
            return

        tables = (self.tables.query_pos, self.tables.channels, self.tables.steepness)
        parts = [table.split(self.step) for table in tables]
        for query_pos, channels, steepness, count in zip(*parts, self.counts, strict=True):
            yield cluster_taper(query_pos, channels[:, 0, :count, :2], steepness).unsqueeze(1)


def chunks_of(tables: ChunkTables, heads: int) -> Chunks:
    """Divide the clusters into chunks that fit into the cache.

    Args:
        tables: of all clusters.
        heads: number of heads.
    """
    clusters, keys = tables.halo.shape
    step = min(clusters, chunk_of_clusters(keys * heads * HEAD_CHANNELS, tables.channels.device))
    counts = tables.counts.clamp(min=1).tolist()
    return Chunks(tables, heads, step, [max(counts[first : first + step]) for first in range(0, clusters, step)])
