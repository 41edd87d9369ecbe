"""Output of the guard of a work unit: a few numbers for each step, written with its states."""

from pathlib import Path

import numpy as np
import zarr

from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.restart import Restart
from gensim_graph.surrogate.guard import ForecastGuard
from gensim_graph.typing import Float, Tensor


class GuardOutput:
    """The guard of a work unit, and its part of a store. All steps are guarded; those with a written state are written.

    Args:
        target: the store.
        unit: the work unit.
        guard: of the forecast; None for none, then nothing happens.
        restart: where the work unit goes on, or its initial state.
        every: number of steps from one written state to the next.
        has_start_dimension: the store has a dimension ``start``.
    """

    def __init__(
        self,
        target: Path,
        unit: WorkUnit,
        guard: ForecastGuard | None,
        restart: Restart,
        every: int,
        has_start_dimension: bool,
    ) -> None:
        self._guard = None if guard is None else guard.of_members(unit.members, restart.guard)
        group = zarr.open_group(str(target), mode="r+")
        self._arrays: list[zarr.Array] = [group[one.name] for one in guard.fields] if guard else []  # type: ignore[misc]

        members = slice(unit.members.start, unit.members.stop)
        self._part = (unit.start, members) if has_start_dimension else (members,)
        self._every = every
        self._next_step = restart.step + 1 if restart.step else 0

    def add(self, time: np.datetime64, state: Float[Tensor, "member face state"], *drivers: Tensor) -> None:
        """Measure the state of the next step; nothing waits for the device.

        Args:
            time: valid time.
            state: in the units of the variable table.
            drivers: forcing and slow inputs at that time, (face, variable) each.
        """
        if self._guard is not None:
            self._guard.add(time, state, *drivers)

    def write(self) -> Tensor | None:
        """Warn of what was measured and write it; return the history for the restart file, None without a guard."""
        if self._guard is None:
            return None

        values = self._guard.judged()
        steps = np.arange(self._next_step, self._next_step + len(values))
        written = steps % self._every == 0
        self._next_step += len(values)

        if written.any():
            leads = slice(int(steps[written][0]) // self._every, int(steps[written][-1]) // self._every + 1)
            for number, array in enumerate(self._arrays):
                array[(*self._part, leads)] = values[written, :, number].swapaxes(0, 1)

        return self._guard.history
