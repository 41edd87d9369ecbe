"""Meshes, networks and trajectories that several tests use."""

import numpy as np
import torch
import xarray as xr
from scipy.spatial import Delaunay

from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.nn import OperatorConfig, VelocityOperator
from gensim_graph.typing import Tensor
from support.meshes import BOX

SMALL = OperatorConfig(width=16, blocks=2, heads=1, cell_width=16, cell_layers=1, embedding=16)
"""A network that evaluates in milliseconds."""

TINY = [
    "operator.width=16",
    "operator.heads=1",
    "operator.blocks=2",
    "operator.cell_width=8",
    "operator.embedding=8",
    "data.batch=2",
    "data.lead_time=3h",
    "trainer.warmup=4",
    "trainer.accelerator=cpu",
]
"""Overrides of a training that takes seconds."""


def graded_mesh(cells: int = 10, ratio: float = 20.0, jitter: float = 0.25, seed: int = 0) -> Mesh:
    """Quarter of an annulus with cells proportional to the radius: the spacing varies by ``ratio``, shapes do not."""
    rng = np.random.default_rng(seed)
    along, across = np.log(ratio), np.pi / 2
    rings = round(cells * along / across)
    u, v = (axis.ravel() for axis in np.meshgrid(np.arange(rings + 1), np.arange(cells + 1)))
    inner = (u > 0) & (u < rings) & (v > 0) & (v < cells)
    plane = np.stack([u * along / rings, v * across / cells], axis=1)
    plane[inner] += jitter * across / cells * rng.uniform(-1, 1, (inner.sum(), 2))
    radius = BOX / ratio * np.exp(plane[:, 0])
    nodes = radius[:, None] * np.stack([np.cos(plane[:, 1]), np.sin(plane[:, 1])], axis=1)
    return Mesh.from_faces(nodes, Delaunay(plane + 1e-6 * plane**2).simplices.astype(np.int64))


def regular_grid(cells: int, side: float = BOX) -> Mesh:
    """``cells`` squared squares in a box."""
    axis = (np.arange(cells) + 0.5) * side / cells
    return Mesh.from_grid(axis, axis)


def island_grid(cells: int = 20) -> Mesh:
    """A grid with land in the middle."""
    axis = (np.arange(cells) + 0.5) * BOX / cells
    ocean = np.ones((cells, cells), dtype=bool)
    ocean[cells // 3 : cells // 2, cells // 4 : 2 * cells // 3] = False
    return Mesh.from_grid(axis, axis, mask=ocean)


def turned_points(points: np.ndarray, angle: float) -> np.ndarray:
    """Points turned counter-clockwise about the origin."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def random_operator(config: OperatorConfig = SMALL, seed: int = 0, size: float = 0.3) -> VelocityOperator:
    """Network of which no weight is at its initial value, zero or other."""
    torch.manual_seed(seed)
    operator = VelocityOperator(config, 6, 18)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(size * torch.randn(parameter.shape))
    return operator.eval()


def relative_error(came: Tensor, expected: Tensor) -> float:
    """Relative L2 error."""
    return float(((came - expected).norm() / expected.norm()).detach())


def small_trajectory(mesh: Mesh, hours: int = 9, seed: int = 0, step: int = 3) -> xr.Dataset:
    """Smooth fields that drift over a mesh, with open water (sic = 0) and pack ice (sic = 1); snow is absent."""
    rng = np.random.default_rng(seed)
    times = np.datetime64("2000-01-01T00", "ns") + np.arange(0, hours + 1, step) * np.timedelta64(1, "h")
    x, y = (mesh.centres - mesh.centres.mean(axis=0)).T / BOX
    phase = rng.uniform(0, 6) + np.arange(len(times))[:, None] * 0.4
    wave = np.sin(5 * x + 3 * y + phase)
    fields = {
        "sit": (2 + wave, "m"),
        "sic": (np.clip(0.5 + 0.8 * np.cos(4 * y + phase), 0, 1), "1"),
        "sid": (np.clip(0.7 * wave, 0, 1), "1"),
        "siu": (0.2 * np.cos(4 * x - phase), "m s-1"),
        "siv": (0.3 * np.sin(4 * y + phase), "m s-1"),
        "uas": (9 * np.cos(3 * x - phase), "m s-1"),
        "vas": (9 * np.sin(3 * y + phase), "m s-1"),
    }
    columns = {
        name: (("time", "face"), values.astype(np.float32), {"units": unit}) for name, (values, unit) in fields.items()
    }
    return mesh_to_dataset(mesh).assign_coords(time=times).assign(columns)
