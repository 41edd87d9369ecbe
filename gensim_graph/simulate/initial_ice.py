"""Random states to start from: smooth fields of ice, with thin places and open water."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_WAVES = 48
_LONGEST = 1500e3  # m, in domains larger than that
_SHORTEST_CELLS = 4.0  # in a wave


@dataclass(frozen=True)
class Ice:
    """Ice on the faces of a mesh.

    Attributes:
        sit: m, ice volume per area, (F,).
        sic: concentration, (F,).
        snt: m, snow volume per area, (F,).
    """

    sit: Array
    sic: Array
    snt: Array


def benchmark_ice(mesh: Mesh) -> Ice:
    """Ice of the benchmark (Mehlmann et al. 2021): thin, with slight waves from the lower left; no leads, no snow."""
    x, y = (mesh.centres - mesh.nodes.min(axis=0)).T / 1e3
    sit = 0.3 + 0.005 * (np.sin(0.06 * x) + np.sin(0.03 * y))
    return Ice(sit, np.ones_like(sit), np.zeros_like(sit))


def random_ice(mesh: Mesh, rng: np.random.Generator) -> Ice:
    """Smooth random ice: 0.3 to 2 m thick on average, concentration mostly 1 and down to 0.75, some snow.

    Every third state has patches of open water, on 3 to 12 % of the area.

    Args:
        mesh: the domain; fields vary over a fifth of it to all of it, and over 1500 km at most.
        rng: source of all randomness.
    """
    thick, loose, snowy, patchy = (_smooth_field(mesh, rng) for _ in range(4))
    mean, snow = rng.uniform(0.3, 2.0), rng.uniform(0.05, 0.25)
    least, where = rng.uniform(0.05, 0.25), rng.uniform(-0.5, 1.0)
    has_patches, share = rng.random() < 1.0 / 3.0, rng.uniform(0.03, 0.12)
    sic = 1.0 - np.minimum(0.25, least * np.maximum(0.0, loose - where))

    if has_patches:
        rim = patchy - np.quantile(patchy, share)
        sic = sic * np.clip(rim / 0.15, 0.0, 1.0)

    sit = sic * mean * np.clip(1.0 + 0.3 * thick, 0.2, None)
    return Ice(sit, sic, sit * snow * np.clip(1.0 + 0.3 * snowy, 0.2, 1.8))


def _smooth_field(mesh: Mesh, rng: np.random.Generator) -> Array:
    """A sum of waves of random length and direction, about normal with mean 0 and deviation 1: (F,)."""
    longest = min(float(np.sqrt(mesh.areas.sum())), _LONGEST)
    shortest = min(max(longest / 5.0, _SHORTEST_CELLS * float(np.median(mesh.spacing))), longest)
    number = 2.0 * np.pi / rng.uniform(shortest, longest, _WAVES)
    heading, phase = rng.uniform(0.0, 2.0 * np.pi, (2, _WAVES))
    along = np.stack([number * np.cos(heading), number * np.sin(heading)])
    field: Array = np.cos((mesh.centres - mesh.centres.mean(axis=0)) @ along + phase).sum(axis=1)

    return field * np.sqrt(2.0 / _WAVES)
