"""The time loop of the solver.

A step does, in this order: sub-steps of stress, damage and velocity; transport with the mean drift; ridging; growth and
melt, if they are switched on. All state is in :class:`~gensim_graph.simulate.solver.state.State`, so that a run can
continue from any record.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from gensim_graph.errors import InputError
from gensim_graph.simulate.solver.advection import Sides, build_sides, transport
from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.simulate.solver.momentum import build_momentum_coefficients, update_velocity
from gensim_graph.simulate.solver.rheology import build_stress_coefficients, update_stress
from gensim_graph.simulate.solver.state import State
from gensim_graph.simulate.solver.thermodynamics import Weather, grow_and_melt
from gensim_graph.simulate.solver.time_steps import TimeSteps, plan_time_steps
from gensim_graph.transport import ridge
from gensim_graph.typing import Float, Tensor

Wind = Callable[[float], Tensor]
"""Wind on the nodes at a time in s since the start: (2, node, member), m/s along the axes of the plane."""

_FASTEST = 5.0  # m/s, faster ice does not exist, and the transport would become unstable


@dataclass(frozen=True, eq=False)
class Solver:
    """The equations of the ice on one mesh.

    Attributes:
        elements: the triangles.
        sides: the sides that ice may cross.
        constants: physical constants.
        steps: lengths of the time steps.
        cohesion: Pa, of each triangle and member, see :func:`~gensim_graph.simulate.solver.rheology.cohesion_of`.
        ocean: m/s, current on the nodes along the axes of the plane; one for each member, or one for all.
        weather: air temperature and snowfall; None switches growth and melt off.
    """

    elements: Elements
    sides: Sides
    constants: Constants
    steps: TimeSteps
    cohesion: Float[Tensor, "element _"]
    ocean: Float[Tensor, "2 node _"]
    weather: Weather | None = None

    def run(self, state: State, wind: Wind, records: int, first: int = 0) -> Iterator[State]:
        """Yield the state at the end of each record.

        Args:
            state: at the start of the first record.
            wind: m/s along the axes of the plane, as a function of time in s.
            records: number of records.
            first: number of records that the run has behind it, 0 at its start.

        Raises:
            InputError: the ice drifts faster than 5 m/s, because of impossible wind or constants.
        """
        for record in range(first, first + records):
            for step in range(self.steps.steps_per_record):
                time = (record + (step + 0.5) / self.steps.steps_per_record) * self.steps.every
                state = self.step(state, wind(time), time)
            self._check_speed(state, (record + 1) * self.steps.every)
            yield state

    @torch.no_grad()
    def step(self, state: State, wind: Float[Tensor, "2 node member"], time: float) -> State:
        """Return the state after one step under a constant wind.

        Args:
            state: at the start of the step.
            wind: m/s on the nodes, along the axes of the plane.
            time: s since the start of the run, at the middle of the step.
        """
        moved, drift = self._substeps(state, wind)
        amounts, damage, stress = transport(
            self.sides,
            drift,
            self.steps.step,
            torch.stack([moved.thickness, moved.concentration, moved.snow]),
            1.0 - moved.intact,
            moved.stress,
        )
        thickness, concentration, snow = amounts.clamp(min=0.0)  # negative values come from rounding

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

        air = self.weather.temperature(time, self.elements.sin_latitude_on_elements())
        return grow_and_melt(state, self.weather, self.constants, air, self.steps.step)

    def _substeps(self, state: State, wind: Tensor) -> tuple[State, Tensor]:
        """Return the state after the sub-steps of one step, and the mean velocity over them.

        Args:
            state: at the start of the step.
            wind: m/s on the nodes, along the axes of the plane.
        """
        elements, constants = self.elements, self.constants
        for_stress = build_stress_coefficients(elements, constants, self.steps.substep, state, self.cohesion)
        for_velocity = build_momentum_coefficients(elements, constants, self.steps, state, wind, self.ocean)

        stress, intact, velocity = state.stress, state.intact, state.velocity
        total = torch.zeros_like(velocity)

        for _ in range(self.steps.substeps_per_step):
            stress, intact = update_stress(for_stress, elements.velocity_gradient(velocity), stress, intact)
            velocity = update_velocity(elements, for_velocity, velocity, stress)
            total += velocity

        packed = state.concentration > constants.least_concentration
        moved = replace(
            state,
            stress=torch.where(packed, stress, 0.0),
            intact=torch.where(packed, intact, 1.0),
            velocity=velocity,
        )

        return moved, total / self.steps.substeps_per_step

    def _check_speed(self, state: State, time: float) -> None:
        fastest = float(state.velocity.abs().max())
        if not fastest < _FASTEST:  # true for NaN, too
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
    """Build the solver for the triangles of a mesh.

    Args:
        elements: the triangles.
        constants: physical constants.
        every: s, time between records.
        cohesion: Pa, of each triangle and member, see :func:`~gensim_graph.simulate.solver.rheology.cohesion_of`.
        ocean: m/s, current on the nodes along the axes of the plane; one for each member, or one for all.
        weather: air temperature and snowfall; None switches growth and melt off.
    """
    steps = plan_time_steps(elements, constants, every)
    return Solver(elements, build_sides(elements), constants, steps, cohesion, ocean, weather)
