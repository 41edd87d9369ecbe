"""The steps of a work unit, from where it stopped to its end."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.guard_output import GuardOutput
from gensim_graph.forecast.layout import INNOVATIONS
from gensim_graph.forecast.member_output import MemberOutput
from gensim_graph.forecast.progress import ReportStep
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.restart import Restart, read_restart, save_restart
from gensim_graph.forecast.several_models import ModelShares
from gensim_graph.forecast.starts import Starts
from gensim_graph.surrogate import FiniteWatch, ObservedSteps, StepTimes, Surrogate, states_of_members
from gensim_graph.system import write_atomically
from gensim_graph.typing import Tensor

SAVE_SECONDS = 30.0
"""Longest time between restart files, s; a killed run loses no more work, unless a single step takes longer."""


@dataclass(frozen=True)
class ForecastRun:
    """Everything that the work units of a forecast share.

    Attributes:
        target: the store.
        shares: models with their members, tables, forcing and guard.
        starts: initial states.
        request: what the user asks for.
        observed: observations that act on the steps; None for a free forecast.
        together: members computed together, where a work unit has more; 0 for all.
    """

    target: Path
    shares: ModelShares
    starts: Starts
    request: Request
    observed: ObservedSteps | None = None
    together: int = 0

    @property
    def model(self) -> Surrogate:
        """The first model, for all that the models have in common."""
        return self.shares.first

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
        chunk_complete = step == 0 and output.add(0, self._written(unit, state, None))
        guarded = GuardOutput(self.target, unit, self.shares, restart, request.every, self.starts.has_dimension)
        if step == 0:
            guarded.add(self.valid_time(unit, 0), state)
        saved_at, watch = time.monotonic(), FiniteWatch()

        while step < request.steps:
            now = self.valid_time(unit, step)
            before = state
            state = self._advance(before, unit, step)
            watch.look(state, now, step)
            step += 1
            guarded.add(self.valid_time(unit, step), state)

            if step % request.every == 0:
                watch.check()
                written = self._written(unit, state, before)
                chunk_complete = output.add(step // request.every, written) or chunk_complete

            if chunk_complete or step == request.steps or time.monotonic() - saved_at > SAVE_SECONDS:
                watch.check()
                output.write()
                history = guarded.write()
                digest = self.shares.digest_at(unit.members, self.valid_time(unit, step))
                save_restart(self.target, unit, Restart(step, state.cpu(), digest, history))
                chunk_complete = False
                saved_at = time.monotonic()

            report(unit, step)

    def _written(self, unit: WorkUnit, state: Tensor, before: Tensor | None) -> Tensor:
        """Return a state as it is written: with the terms of its budget, if they are asked for.

        Args:
            unit: the work unit.
            state: of its members.
            before: state one step earlier; None for an initial state.
        """
        if not self.request.budget:
            return state

        parts = []
        for share, some in self.shares.parts(unit.members, self.together):
            chosen = slice(some.start - unit.members.start, some.stop - unit.members.start)
            parts.append(share.budget.beside(state[chosen], None if before is None else before[chosen]))

        return torch.cat(parts)

    def _advance(self, state: Tensor, unit: WorkUnit, step: int) -> Tensor:
        """Compute a step of a work unit, model by model, with the observations of its time.

        Args:
            state: of its members.
            unit: the work unit.
            step: number of completed steps.
        """
        now, seed = self.valid_time(unit, step), self.request.seed
        times = StepTimes(now, now + self.model.lead_time, step)
        mesh, normaliser = self.starts.mesh, self.model.normaliser
        advanced = []
        for share, some in self.shares.parts(unit.members, self.together):
            guide = self.observed.guide(times, some, mesh, share.model.normaliser) if self.observed else None
            chosen = state[some.start - unit.members.start : some.stop - unit.members.start]
            advanced.append(share.model.advance(chosen, share.forcing, now, step, some, seed, share.plan, guide))

        together = advanced[0] if len(advanced) == 1 else torch.cat(advanced)
        if self.observed is None:
            return together

        result = self.observed.corrected(together, times, mesh, normaliser)
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

    def _read_or_begin(self, unit: WorkUnit) -> Restart:
        """Return the last saved state of a work unit, or its initial state.

        Raises:
            InputError: the forcing at that time is not the one of the steps before.
        """
        restart = read_restart(self.target, unit)
        if restart is None:
            return Restart(0, states_of_members(self.starts.states[unit.start], unit.members), "")

        now = self.valid_time(unit, restart.step)
        if self.shares.digest_at(unit.members, now) != restart.forcing:
            raise InputError(
                f"{self.target}: the forcing at {np.datetime_as_string(now, 'm')} is not the one that drove this "
                "forecast up to there; give it that one, or choose another path with --out"
            )

        return restart
