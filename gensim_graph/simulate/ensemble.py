"""An ensemble on a mesh: what each member starts from and is driven by, and its fields record by record."""

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

_ICE = ("sit", "sic", "snt")
_WEATHER = Weather()


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members that differ in ice, storms and cohesion.

    Attributes:
        experiment: what is simulated.
        elements: the triangles of the mesh.
        forcings: of the members.
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
        """Whether the domain is on the southern hemisphere."""
        return bool(self.elements.sine.mean() < 0.0)

    def current(self, points: Array, members: range) -> Array:
        """Of the ocean at some points (P, 2), m/s: (2, P, member)."""
        return gyre_on([self.forcings[member] for member in members], self.mesh, points)

    def winds(self, points: Array, members: range) -> WindField:
        """Wind on some points (P, 2)."""
        return WindField([self.forcings[member] for member in members], points, self.southern, self.elements.areas)

    def start(self, members: range) -> tuple[Solver, State]:
        """The solver and the initial state of some members."""
        experiment, elements = self.experiment, self.elements
        ices = [_ice(self.mesh, experiment, member) for member in members]
        state = state_at_rest(elements, *(np.stack([getattr(ice, name) for ice in ices]) for name in _ICE))
        chance = np.stack([_stream(experiment, member, 2).random(self.mesh.n_faces) for member in members])
        current = torch.as_tensor(self.current(elements.triangles.nodes, members)).to(elements.areas)
        cohesion = cohesion_of(elements, experiment.constants, elements.from_faces(chance))
        weather = _WEATHER if experiment.thermodynamics else None

        return build_solver(elements, experiment.constants, experiment.interval, cohesion, current, weather), state

    def run(self, members: range) -> Iterator[dict[str, Array]]:
        """Fields of some members, record by record from the initial state on: name -> (member, face or node)."""
        solver, state = self.start(members)
        on_faces = self.winds(self.mesh.centres, members)
        yield self.fields(state, on_faces, 0.0)
        winds = self.winds(self.elements.triangles.nodes, members)
        for record, later in enumerate(solver.run(state, winds, self.experiment.records), start=1):
            yield self.fields(later, on_faces, record * self.experiment.interval)

    def fields(self, state: State, winds: WindField, time: float) -> dict[str, Array]:
        """What is kept of a state: name -> (member, face or node).

        Args:
            state: of some members.
            winds: theirs, on the centres of the faces.
            time: s since the start.
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
            air = _WEATHER.temperature(time, self.elements.sine_on_elements())
            fields["tus"] = np.broadcast_to(to_faces(air), uas.shape)

        return {name: values.astype(np.float32) for name, values in fields.items()}

    def seconds(self, members: range) -> float:
        """Time that a run of some members takes, s, from steps that are tried out."""
        solver, state = self.start(members)
        wind = self.winds(self.elements.triangles.nodes, members)(0.0)
        taken = []

        for _ in range(3):
            begin = time.perf_counter()
            state = solver.step(state, wind, 0.0)
            float(state.thickness[0, 0])  # waits for a GPU
            taken.append(time.perf_counter() - begin)

        return min(taken) * solver.steps.per_record * self.experiment.records


def build_ensemble(mesh: Mesh, experiment: Experiment) -> Ensemble:
    """The ensemble of an experiment on a mesh.

    Raises:
        InputError: a mesh whose faces cannot be split into triangles.
    """
    elements = build_elements(mesh, experiment.torch_device, experiment.dtype)
    forcings = [_forcing(mesh, experiment, member) for member in range(experiment.members)]
    return Ensemble(experiment, elements, forcings)


def _stream(experiment: Experiment, member: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([experiment.seed, member, purpose])


def _forcing(mesh: Mesh, experiment: Experiment, member: int) -> StormForcing:
    if experiment.case == "benchmark":
        return benchmark_forcing(mesh)
    return random_forcing(mesh, experiment.days, _stream(experiment, member, 0))


def _ice(mesh: Mesh, experiment: Experiment, member: int) -> Ice:
    return benchmark_ice(mesh) if experiment.case == "benchmark" else random_ice(mesh, _stream(experiment, member, 1))
