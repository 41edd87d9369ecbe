r"""Time steps of a run: sub-steps that resolve elastic waves, steps of 75 sub-steps, records of whole steps.

Stress, damage and velocity change every sub-step; wind, thickness, concentration and snow change every step; the fields
are kept every record.

A sub-step is stable if :math:`\Delta t < 2 / \omega`, with :math:`\omega` the highest eigenfrequency of elastic
oscillations of the mesh. It is bounded by the highest one of the single triangles (Irons and Treharne 1971). Thickness
enters stiffness and mass alike, so that :math:`\omega` depends on the geometry alone. On time scales beyond minutes the
inertia of sea ice hardly matters. Therefore the smallest triangles get up to twice their inertia, so that they do not
shorten the sub-step of all others.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.moved import moved_names
from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Tensor

SUBSTEPS = 75
"""Sub-steps in a step, as in the neXtSIM runs. In a step ice moves by a few hundredths of a cell, a wave by 40."""

_SAFETY = 0.95  # of the stable sub-step
_HEAVIER_SHARE = 0.25  # share of the triangles that may get a higher inertia
_MOST_INERTIA = 2.0


@dataclass(frozen=True)
class TimeSteps:
    """Lengths and numbers of the time steps of a run.

    Attributes:
        every: s, time between records.
        steps_per_record: number of steps from one record to the next.
        substeps_per_step: number of sub-steps in a step.
        inertia_factor: factor of the inertia of each triangle: 1, up to 2 in the smallest ones.
    """

    every: float
    steps_per_record: int
    substeps_per_step: int
    inertia_factor: Float[Tensor, "element 1"]

    @property
    def step(self) -> float:
        """Length of a step, s."""
        return self.every / self.steps_per_record

    @property
    def substep(self) -> float:
        """Length of a sub-step, s."""
        return self.step / self.substeps_per_step


def plan_time_steps(elements: Elements, constants: Constants, every: float) -> TimeSteps:
    """Find the longest stable time steps that divide the time between records.

    Args:
        elements: the triangles.
        constants: physical constants; those of the elasticity count.
        every: s, time between records.
    """
    stiffness = constants.youngs_modulus / constants.ice_density
    limits = 2.0 / np.sqrt(_squared_frequencies(elements, constants.poisson_ratio) * stiffness)  # s, 2 / omega
    limit = min(float(np.quantile(limits, _HEAVIER_SHARE)), math.sqrt(_MOST_INERTIA) * float(limits.min()))
    substep = _SAFETY * limit
    steps_per_record = math.ceil(every / (SUBSTEPS * substep))
    substeps_per_step = math.ceil(every / steps_per_record / substep)

    # omega is proportional to 1 / sqrt(inertia): a higher inertia reduces it to 2 / limit where it exceeds that.
    inertia_factor = np.maximum(1.0, (limit / limits) ** 2)[:, None]
    return TimeSteps(every, steps_per_record, substeps_per_step, torch.as_tensor(inertia_factor).to(elements.areas))


def _squared_frequencies(elements: Elements, poisson: float) -> Array:
    r"""Return the squared highest eigenfrequency of each single triangle for Young's modulus and density 1: (E,) 1/m2.

    It is the largest eigenvalue of the strain energy relative to the mass, a third of the triangle at each corner. With
    the gradients of the three shape functions, :math:`g_{xx} = \sum_k (\partial_x N_k)^2`, likewise :math:`g_{yy}` and
    :math:`g_{xy}`, and the moduli :math:`a = 1 / (2 (1 - \nu))` of the mean stress and :math:`b = 1 / (2 (1 + \nu))`
    of the other two,

    .. math::
        \omega^2 = \tfrac{3}{2} \left[(a + b)\, s + \sqrt{(a - b)^2 s^2 + 4 a b\, d^2}\right], \quad
        s = g_{xx} + g_{yy}, \quad d = \sqrt{(g_{xx} - g_{yy})^2 + 4 g_{xy}^2}

    Args:
        elements: the triangles.
        poisson: Poisson's ratio.
    """
    gradients = elements.shape_gradients[..., 0].cpu().numpy()  # (2, 2, E): axis, second and third corner, triangle
    along_x, along_y = np.concatenate([gradients, -gradients.sum(axis=1, keepdims=True)], axis=1)
    xx = (along_x * along_x).sum(axis=0)
    yy = (along_y * along_y).sum(axis=0)
    xy = (along_x * along_y).sum(axis=0)

    s = xx + yy
    d = np.hypot(xx - yy, 2.0 * xy)
    a = 0.5 / (1.0 - poisson)
    b = 0.5 / (1.0 + poisson)

    return 1.5 * ((a + b) * s + np.sqrt((a - b) ** 2 * s**2 + 4.0 * a * b * d**2))


__getattr__ = moved_names(__name__)  # names of version 0.1
