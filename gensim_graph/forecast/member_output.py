"""Output of a work unit: its states are collected up to a chunk, then written to the store."""

from pathlib import Path

import numpy as np
import zarr

from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.typing import Array, Tensor
from gensim_graph.variables import Variable


class MemberOutput:
    """The part of a store that belongs to a work unit.

    Args:
        target: the store.
        unit: the work unit.
        variables: written variables, each with its channel of the state.
        has_start_dimension: the store has a dimension ``start``.
    """

    def __init__(
        self, target: Path, unit: WorkUnit, variables: list[tuple[int, Variable]], has_start_dimension: bool
    ) -> None:
        group = zarr.open_group(str(target), mode="r+")
        self._arrays: dict[int, zarr.Array] = {
            channel: group[variable.name]  # type: ignore[misc]
            for channel, variable in variables
        }
        members = slice(unit.members.start, unit.members.stop)
        self._part = (unit.start, members) if has_start_dimension else (members,)
        self._leads_per_chunk = next(iter(self._arrays.values())).chunks[-2]
        self._first = 0
        self._records: list[dict[int, Array]] = []

    def add(self, number: int, state: Tensor) -> bool:
        """Keep the state of a lead time, until :meth:`write`.

        Args:
            number: number of the lead time, one more than in the call before.
            state: (member, face, state) in physical units.

        Returns:
            True if the state completes a chunk: it is time to write.
        """
        if not self._records:
            self._first = number
        channels = state.detach().cpu()
        self._records.append({channel: channels[..., channel].numpy().copy() for channel in self._arrays})
        return (number + 1) % self._leads_per_chunk == 0

    def write(self) -> None:
        """Write the states that are kept, and forget them."""
        if not self._records:
            return

        leads = slice(self._first, self._first + len(self._records))
        for channel, array in self._arrays.items():
            array[(*self._part, leads)] = np.stack([record[channel] for record in self._records], axis=1)

        self._records.clear()
