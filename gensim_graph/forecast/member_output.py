"""Records of a batch on their way to the store."""

from pathlib import Path

import numpy as np
import zarr

from gensim_graph.forecast.batches import Unit
from gensim_graph.typing import Array, Tensor
from gensim_graph.variables import Variable


class MemberOutput:
    """The part of a store that holds a batch. Records that follow each other are gathered up to a chunk.

    Args:
        target: the store.
        unit: the batch.
        variables: channels of the state that are written.
        several: whether the store has a dimension ``start``.
    """

    def __init__(self, target: Path, unit: Unit, variables: list[tuple[int, Variable]], several: bool) -> None:
        group = zarr.open_group(str(target), mode="r+")
        self._arrays: dict[int, zarr.Array] = {place: group[one.name] for place, one in variables}  # type: ignore[misc]
        members = slice(unit.members.start, unit.members.stop)
        self._where = (unit.start, members) if several else (members,)
        self._together = next(iter(self._arrays.values())).chunks[-2]
        self._first, self._kept = 0, list[dict[int, Array]]()

    def add(self, number: int, state: Tensor) -> bool:
        """Keep a record, the one after those before; whether it is the last of its chunk, and time to write."""
        if not self._kept:
            self._first = number
        channels = state.detach().cpu()
        self._kept.append({place: channels[..., place].numpy().copy() for place in self._arrays})
        return (number + 1) % self._together == 0

    def write(self) -> None:
        """Write what is kept."""
        if not self._kept:
            return

        leads = slice(self._first, self._first + len(self._kept))
        for place, array in self._arrays.items():
            array[(*self._where, leads)] = np.stack([record[place] for record in self._kept], axis=1)

        self._kept.clear()
