"""The steps of a work unit, from where it stopped to its end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.guard_output import GuardOutput
from gensim_graph.forecast.layout import INNOVATIONS
from gensim_graph.forecast.member_output import MemberOutput
from gensim_graph.forecast.progress import ReportStep
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.restart import Restart, read_restart, save_restart
from gensim_graph.forecast.starts import Starts
from gensim_graph.forecast.step_budget import StepBudget
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate import FiniteWatch, ObservedSteps, StepTimes, Surrogate, states_of_members
from gensim_graph.surrogate.guard import ForecastGuard
from gensim_graph.system import write_atomically
from gensim_graph.typing import Tensor

SAVE_SECONDS = 30.0
"""Longest time between restart files, s; a killed run loses no more work, unless a single step takes longer."""


@dataclass(frozen=True)
class ForecastRun:
    """Everything that the work units of a forecast share.

    Attributes:
        target: the store.
        model: the surrogate.
        plan: tables of the model for the mesh.
        starts: initial states.
        forcing: forcing of the forecast.
        request: what the user asks for.
        guard: compares the states with the training data; None for none.
        observed: observations that act on the steps; None for a free forecast.
        together: members computed together, where a work unit of an observed ensemble has more; 0 for all.
    """

    target: Path
    model: Surrogate
    plan: GraphPlan
    starts: Starts
    forcing: Forcing
    request: Request
    guard: ForecastGuard | None
    observed: ObservedSteps | None = None
    together: int = 0

    def compute(self, unit: WorkUnit, report: ReportStep) -> None:
        """Compute and write the missing steps of a work unit.

        Args:
            unit: the work unit.
            report: is called after each step.

        Raises:
            InputError: a damaged restart file, another forcing than in the steps before, or a state that is not finite;
                it is not written.
        """
        request = self.request
        restart = self._read_or_begin(unit)
        output = MemberOutput(self.target, unit, request.written_variables(self.model), self.starts.has_dimension)
        step = restart.step
        state = restart.state.to(self.model.device)
        budget = StepBudget(self.model, self.starts.mesh) if request.budget else None
        chunk_complete = step == 0 and output.add(0, budget.beside(state, None) if budget else state)
        guarded = GuardOutput(self.target, unit, self.guard, restart, request.every, self.starts.has_dimension)
        if step == 0:
            guarded.add(self.valid_time(unit, 0), state, *self._drivers(unit, 0))
        saved_at, watch = time.monotonic(), FiniteWatch()

        while step < request.steps:
            now = self.valid_time(unit, step)
            before = state
            state = self._advance(before, unit, step)
            watch.look(state, now, step)
            step += 1
            guarded.add(self.valid_time(unit, step), state, *self._drivers(unit, step))

            if step % request.every == 0:
                watch.check()
                written = budget.beside(state, before) if budget else state
                chunk_complete = output.add(step // request.every, written) or chunk_complete

            if chunk_complete or step == request.steps or time.monotonic() - saved_at > SAVE_SECONDS:
                watch.check()
                output.write()
                history = guarded.write()
                digest = self.model.drivers_at(self.forcing, self.valid_time(unit, step)).read.digest
                save_restart(self.target, unit, Restart(step, state.cpu(), digest, history))
                chunk_complete = False
                saved_at = time.monotonic()

            report(unit, step)

    def _advance(self, state: Tensor, unit: WorkUnit, step: int) -> Tensor:
        """Compute a step of a work unit, with the observations of its time.

        Args:
            state: of its members.
            unit: the work unit.
            step: number of completed steps.
        """
        now, seed = self.valid_time(unit, step), self.request.seed
        if self.observed is None:
            return self.model.advance(state, self.forcing, now, step, unit.members, seed, self.plan)

        times = StepTimes(now, now + self.model.lead_time, step)
        mesh, normaliser = self.starts.mesh, self.model.normaliser
        parts = []
        for some in _in_groups(unit.members, self.together or len(unit.members)):
            guide = self.observed.guide(times, some, mesh, normaliser)
            chosen = state[some.start - unit.members.start : some.stop - unit.members.start]
            parts.append(self.model.advance(chosen, self.forcing, now, step, some, seed, self.plan, guide))

        result = self.observed.corrected(torch.cat(parts), times, mesh, normaliser)
        self._write_innovations(unit, step)
        return result

    def _write_innovations(self, unit: WorkUnit, step: int) -> None:
        found = self.observed.last_innovations(unit.members.start) if self.observed else None
        if found is None:
            return

        folder = self.target / INNOVATIONS / f"start_{unit.start:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"step_{step + 1:05d}_members_{unit.members.start:04d}.nc"
        write_atomically(folder / name, lambda path: found.to_netcdf(path))

    def valid_time(self, unit: WorkUnit, step: int) -> np.datetime64:
        """Return the valid time of a work unit after a number of steps.

        Args:
            unit: the work unit.
            step: number of completed steps.
        """
        return self.starts.times[unit.start] + step * self.model.lead_time

    def _drivers(self, unit: WorkUnit, step: int) -> tuple[Tensor, Tensor]:
        """Forcing and slow inputs after a number of steps, on the device."""
        drivers = self.model.drivers_at(self.forcing, self.valid_time(unit, step))
        return drivers.forcing, drivers.slow

    def _read_or_begin(self, unit: WorkUnit) -> Restart:
        """Return the last saved state of a work unit, or its initial state.

        Raises:
            InputError: the forcing at that time is not the one of the steps before.
        """
        restart = read_restart(self.target, unit)
        if restart is None:
            return Restart(0, states_of_members(self.starts.states[unit.start], unit.members), "")

        now = self.valid_time(unit, restart.step)
        if self.forcing.at(now).digest != restart.forcing:
            raise InputError(
                f"{self.target}: the forcing at {np.datetime_as_string(now, 'm')} is not the one that drove this "
                "forecast up to there; give it that one, or choose another path with --out"
            )

        return restart


def _in_groups(members: range, size: int) -> Iterator[range]:
    for first in range(members.start, members.stop, size):
        yield range(first, min(first + size, members.stop))
