"""How long the steps are: sub-steps that elastic waves allow, steps of 75 of them, records of whole steps."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Tensor

SUBSTEPS = 75
"""Sub-steps in a step, as in the neXtSIM runs: ice moves a few hundredths of a cell in a step, a wave across 40."""

_SAFETY = 0.95
_SMALL = 0.25  # share of the triangles that may be made heavier so that they do not hold up the rest
_HEAVIER = 2.0  # at most


@dataclass(frozen=True)
class Steps:
    """Time steps of a run.

    Attributes:
        every: s, between records.
        per_record: steps in a record.
        substeps: sub-steps in a step.
        inertia: factor of the inertia of each triangle: 1, up to 2 in the smallest.
    """

    every: float
    per_record: int
    substeps: int
    inertia: Float[Tensor, "element 1"]

    @property
    def step(self) -> float:
        """Time between changes of thickness, concentration and wind, s."""
        return self.every / self.per_record

    @property
    def substep(self) -> float:
        """Time between changes of stress, damage and velocity, s."""
        return self.step / self.substeps


def plan_steps(elements: Elements, constants: Constants, every: float) -> Steps:
    r"""The longest stable steps.

    A sub-step is stable if it is shorter than :math:`2 / \omega`, :math:`\omega` the fastest oscillation of the mesh,
    which no mesh has faster than its fastest triangle on its own (Irons and Treharne 1971). With thickness in stiffness
    and mass alike, that is a matter of geometry alone. Inertia hardly matters to sea ice beyond minutes, so the
    smallest triangles are given up to twice their own rather than setting the pace for all.

    Args:
        elements: the triangles.
        constants: physics.
        every: s, between records.
    """
    stiffness = constants.youngs_modulus / constants.ice_density
    limits = 2.0 / np.sqrt(_fastest(elements, constants.poisson_ratio) * stiffness)
    limit = min(float(np.quantile(limits, _SMALL)), math.sqrt(_HEAVIER) * float(limits.min()))
    substep = _SAFETY * limit
    per_record = math.ceil(every / (SUBSTEPS * substep))
    substeps = math.ceil(every / per_record / substep)
    inertia = np.maximum(1.0, (limit / limits) ** 2)[:, None]

    return Steps(every, per_record, substeps, torch.as_tensor(inertia).to(elements.areas))


def _fastest(elements: Elements, poisson: float) -> Array:
    """Square of the fastest oscillation of each triangle on its own, at Young's modulus and density 1: (E,) 1/m2.

    The largest eigenvalue of its strain energy over the mass of its corners, a third of its own each. Elasticity is
    diagonal in stretch, normal difference and shear, which leaves two of the three coupled.
    """
    slopes = elements.slopes[..., 0].cpu().numpy()  # (2, 2, E), axis first
    along_x, along_y = np.concatenate([slopes, -slopes.sum(axis=1, keepdims=True)], axis=1)
    xx, yy, xy = ((a * b).sum(axis=0) for a, b in ((along_x, along_x), (along_y, along_y), (along_x, along_y)))
    whole, apart = xx + yy, np.hypot(xx - yy, 2.0 * xy)
    stretch, twist = 0.5 / (1.0 - poisson), 0.5 / (1.0 + poisson)
    root = np.sqrt((stretch - twist) ** 2 * whole**2 + 4.0 * stretch * twist * apart**2)

    return 1.5 * ((stretch + twist) * whole + root)
