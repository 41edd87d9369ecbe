"""Likelihood of observations for the residual that the flow samples, to guide it towards them.

The state at the end of a step is ``base(drift) + mean + deviation * residual``. The observations see it through a
linear operator. How the transport in the base depends on the sampled drift is left out of the linear operator, but not
of the innovation: the ice is moved by the drift that the observations have corrected, as far as they have.

An observation at a bound, such as a concentration of one, says only that the Gaussian behind it lies there or beyond. A
prediction beyond the bound, before it is clipped, therefore agrees with it.
"""

from collections.abc import Callable

import torch

from gensim_graph.assimilate.observation_operator import ObservationOperator
from gensim_graph.flow import TOLERANCE, Likelihood
from gensim_graph.surrogate import StepBase
from gensim_graph.typing import Float, Tensor


class StateLikelihood(Likelihood):
    """Observations of the state at the end of a step.

    Args:
        base: of the step.
        operator: observations of this time, on the device of the state.
        to_mesh: turns vectors from the frame of the step to that of the mesh; None if they are the same.
    """

    def __init__(
        self, base: StepBase, operator: ObservationOperator, to_mesh: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self._base, self._operator = base, operator
        self._to_mesh = to_mesh or (lambda state: state)

        self._guided: Tensor | None = None

        dtype = base.state.dtype
        self.variance = operator.error.to(dtype).square()
        self._value = operator.value.to(dtype)
        lower, upper = (bound.to(dtype)[operator.variable] for bound in base.normaliser.bounds)
        self._at_lower, self._at_upper = self._value <= lower + TOLERANCE, self._value >= upper - TOLERANCE

    def innovation(self, end: Float[Tensor, "batch face state"]) -> Float[Tensor, "batch observation"]:
        """Return observations minus predicted ones; zero where a censored observation agrees with its prediction.

        Args:
            end: predicted residual.
        """
        predicted = self._observed(end, end if self._guided is None else self._guided)
        difference = self._value - predicted
        agrees = (self._at_lower & (difference > 0)) | (self._at_upper & (difference < 0))
        return torch.where(agrees, torch.zeros_like(difference), difference)

    def predicted(self, end: Float[Tensor, "batch face state"]) -> Float[Tensor, "batch observation"]:
        """Return what would be observed of a predicted end point, before it is clipped to its bounds.

        Args:
            end: predicted residual.
        """
        return self._observed(end, end)

    def _observed(self, end: Tensor, drift_of: Tensor) -> Tensor:
        """What would be observed of an end point whose ice is moved by the drift of another one."""
        state = self._base.of(drift_of) + self._base.normaliser.change(end)
        return self._operator.apply(self._to_mesh(state))

    def moved_to(self, end: Float[Tensor, "batch face state"]) -> None:
        """Move the ice by the drift of the guided end point from now on: the increment changes the drift, too.

        Args:
            end: guided residual.
        """
        self._guided = end

    def observe(self, change: Float[Tensor, "batch face state"]) -> Float[Tensor, "batch observation"]:
        """Return the change of what is observed.

        Args:
            change: of the residual.
        """
        return self._operator.apply(self._to_mesh(change * self._base.normaliser.residual_scale))

    def spread_out(self, weights: Float[Tensor, "batch observation"]) -> Float[Tensor, "batch face state"]:
        """Apply the adjoint of :meth:`observe`; to turn the frame of vectors is its own adjoint.

        Args:
            weights: of the observations.
        """
        return self._to_mesh(self._operator.adjoint(weights)) * self._base.normaliser.residual_scale
