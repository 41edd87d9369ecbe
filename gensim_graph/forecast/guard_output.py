"""Output of the guard of a work unit: a few numbers for each step, written with its states."""

from pathlib import Path

import numpy as np
import torch
import zarr

from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.restart import Restart
from gensim_graph.forecast.several_models import ModelShares, PartGuard, common_fields
from gensim_graph.typing import Float, Tensor


class GuardOutput:
    """The guard of a work unit, and its part of a store. All steps are guarded; those with a written state are written.

    Args:
        target: the store.
        unit: the work unit.
        shares: models of the forecast; if none of them has a guard, nothing happens.
        restart: where the work unit goes on, or its initial state.
        every: number of steps from one written state to the next.
        has_start_dimension: the store has a dimension ``start``.
    """

    def __init__(
        self,
        target: Path,
        unit: WorkUnit,
        shares: ModelShares,
        restart: Restart,
        every: int,
        has_start_dimension: bool,
    ) -> None:
        fields = common_fields(shares.guards)
        self._shares, self._unit = shares, unit
        self._parts = self._guards(restart) if fields else []
        group = zarr.open_group(str(target), mode="r+")
        self._arrays: list[zarr.Array] = [group[one.name] for one in fields]  # type: ignore[misc]

        members = slice(unit.members.start, unit.members.stop)
        self._part = (unit.start, members) if has_start_dimension else (members,)
        self._every = every
        self._next_step = restart.step + 1 if restart.step else 0

    def _guards(self, restart: Restart) -> list[PartGuard]:
        """Guards of the members of each model."""
        guards, begin = self._shares.guards, self._unit.members.start
        parts = []
        for share, members in self._shares.parts(self._unit.members):
            chosen = slice(members.start - begin, members.stop - begin)
            history = None if restart.guard is None else restart.guard[:, chosen]
            parts.append(PartGuard(guards, share.guard, members, history))

        return parts

    def add(self, time: np.datetime64, state: Float[Tensor, "member face state"]) -> None:
        """Measure the state of the next step, and its forcing; nothing waits for the device.

        Args:
            time: valid time.
            state: in the units of the variable table.
        """
        if not self._parts:
            return

        parts = list(self._shares.parts(self._unit.members))
        states = state.split([len(part.members) for part in parts])
        for guard, part, some in zip(self._parts, parts, states, strict=True):
            guard.add(time, some, *part.share.drivers(time, part.members))

    def write(self) -> Tensor | None:
        """Warn of what was measured and write it; return the history for the restart file, None without a guard."""
        if not self._parts:
            return None

        values = np.concatenate([part.judged() for part in self._parts], axis=1)
        steps = np.arange(self._next_step, self._next_step + len(values))
        written = steps % self._every == 0
        self._next_step += len(values)

        if written.any():
            leads = slice(int(steps[written][0]) // self._every, int(steps[written][-1]) // self._every + 1)
            for number, array in enumerate(self._arrays):
                array[(*self._part, leads)] = values[written, :, number].swapaxes(0, 1)

        return torch.cat([part.history for part in self._parts], dim=1)
