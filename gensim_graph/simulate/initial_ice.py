"""Ice at the start of a simulation: that of the benchmark, or random smooth fields with thin places and open water."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_WAVES = 48  # in a random field
_LONGEST = 1500e3  # m, upper bound of the wavelength in large domains
_CELLS_PER_WAVE = 4.0  # lower bound of the wavelength in cells


@dataclass(frozen=True)
class Ice:
    """Ice on the faces of a mesh.

    Attributes:
        sit: (F,) m, ice volume per area.
        sic: (F,) concentration.
        snt: (F,) m, snow volume per area.
    """

    sit: Array
    sic: Array
    snt: Array


def benchmark_ice(mesh: Mesh) -> Ice:
    r"""Compute the ice of the benchmark (Mehlmann et al. 2021): full cover without snow.

    :math:`h = 0.3 + 0.005\,(\sin 0.06 x + \sin 0.03 y)` m, with :math:`x, y` in km from the lower left corner.
    """
    x, y = (mesh.centres - mesh.nodes.min(axis=0)).T / 1e3
    sit = 0.3 + 0.005 * (np.sin(0.06 * x) + np.sin(0.03 * y))
    return Ice(sit, np.ones_like(sit), np.zeros_like(sit))


def random_ice(mesh: Mesh, rng: np.random.Generator) -> Ice:
    """Draw smooth random ice: 0.3 to 2 m thick on average, concentration mostly 1 and at least 0.75, some snow.

    Every third state has patches of open water, on 3 to 12 % of the area.

    Args:
        mesh: the domain; the wavelengths of the fields are between a fifth of its size and its size, at most 1500 km.
        rng: source of all random numbers.
    """
    # The order of the draws decides the state that belongs to a seed.
    thick, loose, snowy, patchy = (_smooth_field(mesh, rng) for _ in range(4))
    mean_thickness = rng.uniform(0.3, 2.0)
    snow_ratio = rng.uniform(0.05, 0.25)
    loosening = rng.uniform(0.05, 0.25)
    loose_from = rng.uniform(-0.5, 1.0)
    has_patches = rng.random() < 1.0 / 3.0
    patch_share = rng.uniform(0.03, 0.12)

    sic = 1.0 - np.minimum(0.25, loosening * np.maximum(0.0, loose - loose_from))
    if has_patches:
        above_patch = patchy - np.quantile(patchy, patch_share)
        sic = sic * np.clip(above_patch / 0.15, 0.0, 1.0)

    sit = sic * mean_thickness * np.clip(1.0 + 0.3 * thick, 0.2, None)
    snt = sit * snow_ratio * np.clip(1.0 + 0.3 * snowy, 0.2, 1.8)
    return Ice(sit, sic, snt)


def _smooth_field(mesh: Mesh, rng: np.random.Generator) -> Array:
    """Draw a sum of waves of random length and direction, (F,): about normal with mean 0 and deviation 1.

    Args:
        mesh: the domain.
        rng: source of all random numbers.
    """
    longest = min(float(np.sqrt(mesh.areas.sum())), _LONGEST)
    shortest = min(max(longest / 5.0, _CELLS_PER_WAVE * float(np.median(mesh.spacing))), longest)
    wavenumber = 2.0 * np.pi / rng.uniform(shortest, longest, _WAVES)
    heading, phase = rng.uniform(0.0, 2.0 * np.pi, (2, _WAVES))
    vector = np.stack([wavenumber * np.cos(heading), wavenumber * np.sin(heading)])
    field: Array = np.cos((mesh.centres - mesh.centres.mean(axis=0)) @ vector + phase).sum(axis=1)

    return field * np.sqrt(2.0 / _WAVES)
