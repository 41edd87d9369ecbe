"""The steps of a batch, from where it stopped to its end."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import Unit
from gensim_graph.forecast.member_output import MemberOutput
from gensim_graph.forecast.progress import Advance
from gensim_graph.forecast.request import Request, Starts
from gensim_graph.forecast.restart import Restart, read_restart, save_restart
from gensim_graph.nn import AttentionPlan
from gensim_graph.surrogate import Surrogate

COMMIT_SECONDS = 30.0
"""Work of a batch that a killed run may lose, at most, unless a single step takes longer."""


@dataclass(frozen=True)
class ForecastRun:
    """What all batches of a forecast share.

    Attributes:
        target: the store.
        model: the surrogate.
        plan: of the model on the mesh.
        starts: what the forecast begins with.
        forcing: what drives it.
        request: what is asked for.
    """

    target: Path
    model: Surrogate
    plan: AttentionPlan
    starts: Starts
    forcing: Forcing
    request: Request

    def compute(self, unit: Unit, advance: Advance) -> None:
        """Compute and write what is missing of a batch.

        Raises:
            InputError: a damaged restart, or another forcing than the batch was driven with.
        """
        restart = self._begin(unit)
        output = MemberOutput(self.target, unit, self.request.written(self.model), self.starts.several)
        step, state = restart.step, restart.state.to(self.model.device)
        due = step == 0 and output.add(0, state)
        committed = time.monotonic()

        while step < self.request.steps:
            now = self.time(unit, step)
            state = self.model.advance(state, self.forcing, now, step, unit.members, self.request.seed, self.plan)
            step += 1

            if step % self.request.every == 0:
                due = output.add(step // self.request.every, state) or due

            if due or step == self.request.steps or time.monotonic() - committed > COMMIT_SECONDS:
                output.write()
                digest = self.forcing.at(self.time(unit, step)).digest
                save_restart(self.target, unit, Restart(step, state.cpu(), digest))
                due, committed = False, time.monotonic()

            advance(unit, step)

    def time(self, unit: Unit, step: int) -> np.datetime64:
        """Valid time of a batch after a number of steps."""
        return self.starts.times[unit.start] + step * self.model.lead_time

    def _begin(self, unit: Unit) -> Restart:
        there = read_restart(self.target, unit)
        if there is None:
            state = self.starts.states[unit.start].expand(len(unit.members), -1, -1)
            return Restart(0, state, "")

        now = self.time(unit, there.step)
        if self.forcing.at(now).digest != there.forcing:
            raise InputError(
                f"{self.target}: the forcing at {np.datetime_as_string(now, 'm')} is not the one that drove this "
                "forecast up to there; give it that one, or choose another path with --out"
            )

        return there
