"""An ensemble on a mesh: initial state and forcing of each member, and its fields record by record."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.mesh import Mesh
from gensim_graph.simulate.experiment import Experiment
from gensim_graph.simulate.initial_ice import Ice, benchmark_ice, random_ice
from gensim_graph.simulate.solver import (
    Elements,
    Solver,
    State,
    Weather,
    build_elements,
    build_solver,
    cohesion_of,
    state_at_rest,
)
from gensim_graph.simulate.storms import StormForcing, WindField, benchmark_forcing, gyre_on, random_forcing
from gensim_graph.typing import Array

_WEATHER = Weather()
_STORM_STREAM, _ICE_STREAM, _COHESION_STREAM = range(3)  # independent streams of random numbers of a member


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members that differ in ice, storms and cohesion.

    Attributes:
        experiment: settings of the simulation.
        elements: the triangles of the mesh.
        forcings: storms and gyre of each member.
    """

    experiment: Experiment
    elements: Elements
    forcings: list[StormForcing]

    @property
    def mesh(self) -> Mesh:
        """The mesh."""
        return self.elements.mesh

    @property
    def southern(self) -> bool:
        """True if the domain is in the southern hemisphere."""
        return bool(self.elements.sin_latitude.mean() < 0.0)

    def current(self, points: Array, members: range) -> Array:
        """Compute the ocean current at some points, (2, P, member) m/s along the axes of the plane.

        Args:
            points: (P, 2) m in the plane of the mesh.
            members: numbers of the members.
        """
        return gyre_on([self.forcings[member] for member in members], self.mesh, points)

    def winds(self, points: Array, members: range) -> WindField:
        """Return the wind at some points as a function of time.

        Args:
            points: (P, 2) m in the plane of the mesh.
            members: numbers of the members.
        """
        return WindField([self.forcings[member] for member in members], points, self.southern, self.elements.areas)

    def start(self, members: range) -> tuple[Solver, State]:
        """Return the solver and the initial state of some members."""
        experiment, elements = self.experiment, self.elements
        ices = [_ice(self.mesh, experiment, member) for member in members]
        sit = np.stack([ice.sit for ice in ices])
        sic = np.stack([ice.sic for ice in ices])
        snt = np.stack([ice.snt for ice in ices])
        state = state_at_rest(elements, sit, sic, snt)

        streams = [_random_numbers(experiment, member, _COHESION_STREAM) for member in members]
        random = np.stack([stream.random(self.mesh.n_faces) for stream in streams])
        cohesion = cohesion_of(elements, experiment.constants, elements.from_faces(random))
        current = torch.as_tensor(self.current(elements.triangles.nodes, members)).to(elements.areas)
        weather = _WEATHER if experiment.thermodynamics else None

        return build_solver(elements, experiment.constants, experiment.interval, cohesion, current, weather), state

    def run(self, members: range) -> Iterator[dict[str, Array]]:
        """Yield the fields of some members, record by record from the initial state on.

        Yields:
            Name -> (member, face or node), as :meth:`fields`.
        """
        solver, state = self.start(members)
        wind_on_faces = self.winds(self.mesh.centres, members)
        wind_on_nodes = self.winds(self.elements.triangles.nodes, members)
        yield self.fields(state, wind_on_faces, 0.0)

        for record, later in enumerate(solver.run(state, wind_on_nodes, self.experiment.records), start=1):
            yield self.fields(later, wind_on_faces, record * self.experiment.interval)

    def fields(self, state: State, winds: WindField, time: float) -> dict[str, Array]:
        """Return the fields that are kept of a state: name -> (member, face or node), in the units of the table.

        Args:
            state: state of some members.
            winds: wind of these members, at the centres of the faces.
            time: s since the start of the run.
        """
        to_faces, mesh = self.elements.to_faces, self.mesh
        siu, siv = state.velocity[:, : mesh.n_nodes].permute(0, 2, 1).cpu().numpy()
        uas, vas = winds(time).permute(0, 2, 1).cpu().numpy()

        fields = {
            "sit": to_faces(state.thickness),
            "sic": to_faces(state.concentration).clip(0.0, 1.0),
            "sid": to_faces(1.0 - state.intact).clip(0.0, 1.0),
            "siu": mesh.to_faces(siu),
            "siv": mesh.to_faces(siv),
            "snt": to_faces(state.snow),
            "uas": uas,
            "vas": vas,
            "siu_node": siu,
            "siv_node": siv,
        }
        if self.experiment.thermodynamics:
            air = _WEATHER.temperature(time, self.elements.sin_latitude_on_elements())
            fields["tus"] = np.broadcast_to(to_faces(air), uas.shape)

        return {name: values.astype(np.float32) for name, values in fields.items()}

    def seconds(self, members: range) -> float:
        """Measure a few steps and return the time that a run of some members takes, s."""
        solver, state = self.start(members)
        wind = self.winds(self.elements.triangles.nodes, members)(0.0)
        taken = []

        for _ in range(3):
            begin = time.perf_counter()
            state = solver.step(state, wind, 0.0)
            float(state.thickness[0, 0])  # waits for a GPU
            taken.append(time.perf_counter() - begin)

        return min(taken) * solver.steps.steps_per_record * self.experiment.records


def build_ensemble(mesh: Mesh, experiment: Experiment) -> Ensemble:
    """Build the ensemble of an experiment on a mesh.

    Args:
        mesh: any mesh in a plane.
        experiment: settings of the simulation.

    Raises:
        InputError: a mesh with faces that cannot be split into triangles.
    """
    elements = build_elements(mesh, experiment.torch_device, experiment.dtype)
    forcings = [_forcing(mesh, experiment, member) for member in range(experiment.members)]
    return Ensemble(experiment, elements, forcings)


def _random_numbers(experiment: Experiment, member: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([experiment.seed, member, stream])


def _forcing(mesh: Mesh, experiment: Experiment, member: int) -> StormForcing:
    if experiment.case == "benchmark":
        return benchmark_forcing(mesh)
    return random_forcing(mesh, experiment.days, _random_numbers(experiment, member, _STORM_STREAM))


def _ice(mesh: Mesh, experiment: Experiment, member: int) -> Ice:
    if experiment.case == "benchmark":
        return benchmark_ice(mesh)
    return random_ice(mesh, _random_numbers(experiment, member, _ICE_STREAM))
