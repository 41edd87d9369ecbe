"""The solver: sub-steps of stress and velocity, then transport, ridging and, where asked for, growth and melt."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from gensim_graph.errors import InputError
from gensim_graph.simulate.solver.advection import Sides, build_sides, transport
from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.simulate.solver.momentum import build_drive, update_velocity
from gensim_graph.simulate.solver.rheology import build_response, update_stress
from gensim_graph.simulate.solver.state import State
from gensim_graph.simulate.solver.thermodynamics import Weather, grow_and_melt
from gensim_graph.simulate.solver.time_steps import Steps, plan_steps
from gensim_graph.typing import Float, Tensor

Wind = Callable[[float], Tensor]
"""Wind on the nodes at a time in s since the start: (2, node, member), m/s along the axes of the plane."""

_FASTEST = 5.0  # m/s: no ice drifts like that, and the transport would no longer be stable
_THICKEST = 50.0  # m, floes of more are spread over more area, as in neXtSIM


@dataclass(frozen=True, eq=False)
class Solver:
    """The equations on one mesh.

    Attributes:
        elements: the triangles.
        sides: what ice may cross.
        constants: physics.
        steps: how long the steps are.
        cohesion: Pa, of each triangle and member, see :func:`~gensim_graph.simulate.solver.rheology.cohesion_of`.
        ocean: m/s, current on the nodes; members or one for all.
        weather: air temperature and snowfall; None switches the thermodynamics off.
    """

    elements: Elements
    sides: Sides
    constants: Constants
    steps: Steps
    cohesion: Float[Tensor, "element _"]
    ocean: Float[Tensor, "2 node _"]
    weather: Weather | None = None

    def run(self, state: State, wind: Wind, records: int, first: int = 0) -> Iterator[State]:
        """The state after each of a number of records.

        Args:
            state: before the first of them.
            wind: as a function of time.
            records: how many.
            first: records of the run that went before, 0 at its start.

        Raises:
            InputError: the ice drifts faster than any ice does: the wind or the constants are not of this world.
        """
        for record in range(first, first + records):
            for step in range(self.steps.per_record):
                time = (record + (step + 0.5) / self.steps.per_record) * self.steps.every
                state = self.step(state, wind(time), time)
            self._check(state, (record + 1) * self.steps.every)
            yield state

    @torch.no_grad()
    def step(self, state: State, wind: Float[Tensor, "2 node member"], time: float) -> State:
        """One step under a wind that stays the same.

        Args:
            state: before.
            wind: m/s on the nodes.
            time: s since the start, of the middle of the step.
        """
        moved, drift = self._dynamics(state, wind)
        amounts, damage, stress = transport(
            self.sides,
            drift,
            self.steps.step,
            torch.stack([moved.thickness, moved.concentration, moved.snow]),
            1.0 - moved.intact,
            moved.stress,
        )
        thickness, concentration, snow = amounts.clamp(min=0.0)  # below 0 is rounding

        state = replace(
            moved,
            thickness=thickness,
            concentration=ridge(thickness, concentration),
            snow=snow,
            intact=(1.0 - damage).clamp(0.0, 1.0),
            stress=stress,
        )
        if self.weather is None:
            return state

        air = self.weather.temperature(time, self.elements.sine_on_elements())
        return grow_and_melt(state, self.weather, self.constants, air, self.steps.step)

    def _dynamics(self, state: State, wind: Tensor) -> tuple[State, Tensor]:
        """Stress, damage and velocity after the sub-steps of a step, and the mean velocity over them."""
        fields = state.thickness, state.concentration
        dt, constants = self.steps.substep, self.constants
        response = build_response(self.elements, constants, *fields, self.cohesion, dt)
        drive = build_drive(self.elements, constants, self.steps.inertia, *fields, state.snow, wind, self.ocean, dt)
        stress, intact, velocity = state.stress, state.intact, state.velocity
        total = torch.zeros_like(velocity)

        for _ in range(self.steps.substeps):
            stress, intact = update_stress(response, self.elements.velocity_gradient(velocity), stress, intact)
            velocity = update_velocity(self.elements, drive, velocity, stress)
            total += velocity

        packed = state.concentration > constants.least_concentration
        moved = replace(
            state,
            stress=torch.where(packed, stress, 0.0),
            intact=torch.where(packed, intact, 1.0),
            velocity=velocity,
        )

        return moved, total / self.steps.substeps

    def _check(self, state: State, time: float) -> None:
        fastest = float(state.velocity.abs().max())
        if not fastest < _FASTEST:
            raise InputError(
                f"simulation: the ice drifts at {fastest:.3g} m/s after {time / 3600.0:.1f} h, at most {_FASTEST:g} is "
                "possible; check the wind (m/s) and the constants"
            )


def build_solver(
    elements: Elements,
    constants: Constants,
    every: float,
    cohesion: Float[Tensor, "element _"],
    ocean: Float[Tensor, "2 node _"],
    weather: Weather | None = None,
) -> Solver:
    """A solver for the triangles of a mesh; ``every`` is the time between records in s."""
    steps = plan_steps(elements, constants, every)
    return Solver(elements, build_sides(elements), constants, steps, cohesion, ocean, weather)


def ridge(thickness: Float[Tensor, "element member"], concentration: Float[Tensor, "element member"]) -> Tensor:
    """Concentration after ridging: ice that does not fit piles up, and keeps its volume."""
    return torch.maximum(concentration, thickness / _THICKEST).clamp(max=1.0)
