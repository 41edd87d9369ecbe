"""What a forecast needs of observations: a guide for each step, and perhaps a correction of the whole ensemble.

The package :mod:`gensim_graph.assimilate`, which knows observations, implements it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.data import Normaliser
from gensim_graph.errors import InputError
from gensim_graph.flow import Velocity
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate.step_base import StepBase
from gensim_graph.typing import Float, Tensor

Guide = Callable[[StepBase, Velocity, Callable[[Tensor], Tensor]], Velocity]
"""Function that pulls a flow towards observations: from the base of a step, its free velocity and the change of frame
from the step to the mesh to the guided velocity."""


class StepTimes(NamedTuple):
    """A step of a forecast.

    Attributes:
        start: valid time at its start.
        end: valid time at its end, to which observations after ``start`` up to ``end`` belong.
        number: number of steps before it.
    """

    start: np.datetime64
    end: np.datetime64
    number: int


class ObservedSteps(ABC):
    """Observations along a forecast, and how they act on its steps.

    Attributes:
        needs_ensemble: the correction needs all members at once.
        guides: the steps are guided, which not all models allow.
    """

    needs_ensemble: bool = False
    guides: bool = True

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that differs for other observations and settings, in which forecasts of version 0.1 are identified."""

    @abstractmethod
    def identity_until(self, time: np.datetime64) -> str:
        """Return text that differs for other settings, and for other observations that belong to steps up to a time.

        Args:
            time: end of the last step. Observations after it may come later, when the forecast goes on.
        """

    @abstractmethod
    def guide(self, times: StepTimes, members: range, mesh: Mesh, normaliser: Normaliser) -> Guide | None:
        """Return the guide of a step for some members; None if nothing was observed, so that the step is free.

        Args:
            times: of the step.
            members: numbers of the members.
            mesh: of the forecast.
            normaliser: of the model, on its device.
        """

    @abstractmethod
    def corrected(
        self, states: Float[Tensor, "member face state"], times: StepTimes, mesh: Mesh, normaliser: Normaliser
    ) -> Float[Tensor, "member face state"]:
        """Return the states at the end of a step, changed by the observations or not.

        Args:
            states: of all members, if it needs the ensemble; else of some.
            times: of the step.
            mesh: of the forecast.
            normaliser: of the model, on its device.
        """

    @abstractmethod
    def last_innovations(self, first_member: int) -> xr.Dataset | None:
        """Return the innovations of the last step that was corrected, once; None if nothing was observed.

        Args:
            first_member: number of the first of its members.
        """


@singledispatch
def steps_with(observations: object) -> ObservedSteps:
    """Return how observations act on the steps of a forecast; :mod:`gensim_graph.assimilate` registers its classes.

    Args:
        observations: of the user.

    Raises:
        InputError: something else.
    """
    raise InputError(
        f"observations: expected gensim_graph.Observations, or an Assimilation of them; came "
        f"{type(observations).__name__}. Observations.read(path) reads files"
    )


@steps_with.register
def _(observations: ObservedSteps) -> ObservedSteps:
    return observations
