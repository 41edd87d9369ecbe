"""Meshes for the tests of the solver, and states on them."""

import numpy as np
import torch

from gensim_graph.mesh import Mesh
from gensim_graph.simulate.solver import (
    BENCHMARK,
    Constants,
    Elements,
    Solver,
    State,
    build_elements,
    build_solver,
    cohesion_of,
)
from gensim_graph.simulate.solver.time_steps import TimeSteps


def crossed_strip(columns: int, rows: int, step: float, closed: tuple[str, ...]) -> Mesh:
    """A rectangle of right triangles, two a square; ``closed`` names the sides that are coast: left, right, rim."""
    x, y = np.meshgrid(np.arange(columns + 1) * step, np.arange(rows + 1) * step)
    nodes = np.stack([x.ravel(), y.ravel()], axis=1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    a, b, c, d = corner, corner + 1, corner + columns + 2, corner + columns + 1
    odd = ((np.arange(rows)[:, None] + np.arange(columns)) % 2 == 1).ravel()[:, None]
    first = np.where(odd, np.stack([a, b, d], axis=1), np.stack([a, b, c], axis=1))
    second = np.where(odd, np.stack([b, c, d], axis=1), np.stack([a, c, d], axis=1))
    faces = np.concatenate([first, second])
    edges = Mesh.from_faces(nodes, faces).boundary_edges
    ends = nodes[edges]
    on_left, on_right = (ends[..., 0] == 0).all(axis=1), (ends[..., 0] == columns * step).all(axis=1)
    sides = {"left": on_left, "right": on_right, "rim": ~on_left & ~on_right}
    coast = np.any([sides[name] for name in closed], axis=0) if closed else np.zeros(len(edges), dtype=bool)
    return Mesh.from_faces(nodes, faces, boundaries={"coast": edges[coast], "open": edges[~coast]})


def opened(mesh: Mesh) -> Mesh:
    """The same mesh with nothing but open boundaries."""
    return Mesh.from_faces(mesh.nodes, mesh.faces, boundaries={"open": mesh.boundary_edges})


def hexagons(columns: int = 6, rows: int = 5, side: float = 8e3) -> Mesh:
    """A honeycomb: faces with six corners."""
    angle = np.pi / 3.0 * np.arange(6) + np.pi / 6.0
    corner = side * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centres = [(np.sqrt(3.0) * side * (i + 0.5 * (j % 2)), 1.5 * side * j) for j in range(rows) for i in range(columns)]
    points = (np.array(centres)[:, None] + corner).reshape(-1, 2)
    unique, number = np.unique(np.round(points, 3), axis=0, return_inverse=True)
    return Mesh.from_faces(unique, number.reshape(-1, 6).astype(np.int64))


def quiet_solver(mesh: Mesh, constants: Constants = BENCHMARK, members: int = 1, every: float = 3600.0) -> Solver:
    """A solver with an ocean at rest and even cohesion."""
    elements = build_elements(mesh)
    return build_solver(elements, constants, every, even_cohesion(elements, constants, members), still(elements))


def even_cohesion(elements: Elements, constants: Constants, members: int = 1) -> torch.Tensor:
    """Cohesion of the triangles without its random part."""
    return cohesion_of(elements, constants, torch.zeros(elements.n_elements, members, dtype=torch.float64))


def still(elements: Elements) -> torch.Tensor:
    """An ocean at rest."""
    return torch.zeros(2, elements.n_nodes, 1, dtype=torch.float64)


def uniform(elements: Elements, value: float, members: int = 1) -> torch.Tensor:
    """The same value on all triangles."""
    return torch.full((elements.n_elements, members), value, dtype=torch.float64)


def resting(elements: Elements, thickness: torch.Tensor, concentration: torch.Tensor) -> State:
    """Intact ice without snow, stress and drift, from thickness and concentration on the triangles."""
    n_members = thickness.shape[1]
    none = 0.0 * thickness
    stress = thickness.new_zeros(3, elements.n_elements, n_members)
    velocity = thickness.new_zeros(2, elements.n_nodes, n_members)
    return State(thickness, concentration, none, none + 1.0, stress, velocity)


def even_steps(elements: Elements, dt: float) -> TimeSteps:
    """Steps of one sub-step of a given length, with the inertia of the ice on all triangles."""
    return TimeSteps(dt, 1, 1, torch.ones_like(elements.areas))


def on_nodes(elements: Elements, *components: np.ndarray) -> torch.Tensor:
    """A vector field on the nodes of one member."""
    return torch.as_tensor(np.stack(components)[..., None])
