"""Meshes, fields and drifts for the tests of the transport."""

import numpy as np
import torch

from gensim_graph.mesh import Mesh
from support.meshes import jittered_box
from support.solver_meshes import hexagons, opened

HOURS_12 = 43200.0  # s


def grid(cells: int = 10, side: float = 100e3) -> Mesh:
    """Squares in a closed box."""
    axis = (np.arange(cells) + 0.5) * side / cells
    return Mesh.from_grid(axis, axis)


def masked_grid() -> Mesh:
    """Squares with an island and an open rim."""
    axis = (np.arange(10) + 0.5) * 10e3
    mask = np.ones((10, 10), dtype=bool)
    mask[4:6, 3:7] = False
    return Mesh.from_grid(axis, axis, mask)


def mixed_cells() -> Mesh:
    """Squares, and triangles beside them, whose rows are padded."""
    x, y = np.meshgrid(np.arange(7) * 10e3, np.arange(7) * 10e3)
    corner = (np.arange(6)[:, None] * 7 + np.arange(6)).ravel()
    a, b, c, d = corner, corner + 1, corner + 8, corner + 7
    whole = np.arange(36) % 6 < 3
    squares = np.stack([a, b, c, d], axis=1)[whole]
    halves = np.concatenate([np.stack([a, b, c], axis=1)[~whole], np.stack([a, c, d], axis=1)[~whole]])
    faces = np.concatenate([squares, np.pad(halves, ((0, 0), (0, 1)), constant_values=-1)])
    return Mesh.from_faces(np.stack([x.ravel(), y.ravel()], axis=1), faces)


MESHES = {"triangles": jittered_box(), "grid": grid(), "hexagons": hexagons(), "mixed": mixed_cells()}
"""Closed boxes of cells of different shapes, about 100 km wide."""

OPEN_MESHES = {name: opened(mesh) for name, mesh in MESHES.items()}


def random_amounts(mesh: Mesh, members: int = 3, fields: int = 3, seed: int = 0) -> torch.Tensor:
    """Amounts from 0 to 1, a third of them 0: (member, face, field)."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(members, mesh.n_faces, fields, generator=generator, dtype=torch.float64)
    values[:, ::3] = 0.0
    return values


def random_drift(mesh: Mesh, speed: float, members: int = 3, seed: int = 1) -> torch.Tensor:
    """Drift without any order, about as fast as ``speed`` in m/s: (member, face, 2)."""
    generator = torch.Generator().manual_seed(seed)
    return speed * torch.randn(members, mesh.n_faces, 2, generator=generator, dtype=torch.float64)


def uniform_drift(mesh: Mesh, u: float, v: float) -> torch.Tensor:
    """The same drift everywhere, of one member."""
    return torch.tensor([u, v], dtype=torch.float64).expand(1, mesh.n_faces, 2)


def solid_rotation(mesh: Mesh, rate: float) -> torch.Tensor:
    """Rotation around the middle of the mesh, counter-clockwise, in 1/s."""
    x, y = (mesh.centres - mesh.nodes.mean(axis=0)).T
    return torch.as_tensor(rate * np.stack([-y, x], axis=-1))[None]


def totals(mesh: Mesh, values: torch.Tensor) -> torch.Tensor:
    """Integral of fields over the mesh: (member, field)."""
    return (values.double() * torch.as_tensor(mesh.areas)[:, None]).sum(dim=1)
