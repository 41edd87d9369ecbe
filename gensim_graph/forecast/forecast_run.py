"""The steps of a work unit, from where it stopped to its end."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.member_output import MemberOutput
from gensim_graph.forecast.progress import ReportStep
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.restart import Restart, read_restart, save_restart
from gensim_graph.forecast.starts import Starts
from gensim_graph.forecast.step_budget import StepBudget
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate import Surrogate, states_of_members

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
    """

    target: Path
    model: Surrogate
    plan: GraphPlan
    starts: Starts
    forcing: Forcing
    request: Request

    def compute(self, unit: WorkUnit, report: ReportStep) -> None:
        """Compute and write the missing steps of a work unit.

        Args:
            unit: the work unit.
            report: is called after each step.

        Raises:
            InputError: a damaged restart file, or another forcing than in the steps before.
        """
        request = self.request
        restart = self._read_or_begin(unit)
        output = MemberOutput(self.target, unit, request.written_variables(self.model), self.starts.has_dimension)
        step = restart.step
        state = restart.state.to(self.model.device)
        budget = StepBudget(self.model, self.starts.mesh) if request.budget else None
        chunk_complete = step == 0 and output.add(0, budget.beside(state, None) if budget else state)
        saved_at = time.monotonic()

        while step < request.steps:
            now = self.valid_time(unit, step)
            before = state
            state = self.model.advance(before, self.forcing, now, step, unit.members, request.seed, self.plan)
            step += 1

            if step % request.every == 0:
                written = budget.beside(state, before) if budget else state
                chunk_complete = output.add(step // request.every, written) or chunk_complete

            if chunk_complete or step == request.steps or time.monotonic() - saved_at > SAVE_SECONDS:
                output.write()
                digest = self.forcing.at(self.valid_time(unit, step)).digest
                save_restart(self.target, unit, Restart(step, state.cpu(), digest))
                chunk_complete = False
                saved_at = time.monotonic()

            report(unit, step)

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
        if self.forcing.at(now).digest != restart.forcing:
            raise InputError(
                f"{self.target}: the forcing at {np.datetime_as_string(now, 'm')} is not the one that drove this "
                "forecast up to there; give it that one, or choose another path with --out"
            )

        return restart
