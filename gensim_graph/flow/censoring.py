"""Bounds of the state, and their meaning for the residual on the path.

Many values of a bounded variable lie exactly at a bound: open water has concentration 0, pack ice 1. Such a value is
*censored*: the Gaussian behind it may lie beyond the bound, but the state cannot show that. The loss therefore asks
only that the prediction lies at the bound or beyond it.
"""

from typing import NamedTuple

import torch

from gensim_graph.typing import Bool, Float, Tensor

TOLERANCE = 1e-6
"""Distance from a bound within which a value counts as at the bound: means of ones may differ from one by rounding."""


class Bounds(NamedTuple):
    """Lower and upper bounds of the variables; infinite for variables without a bound.

    Attributes:
        lower, upper: in the units of the variables, broadcast against the values.
    """

    lower: Float[Tensor, "*shape"]
    upper: Float[Tensor, "*shape"]

    def clip(self, values: Float[Tensor, "*values"]) -> Float[Tensor, "*values"]:
        """Replace values beyond a bound by the bound."""
        return torch.minimum(torch.maximum(values, self.lower), self.upper)

    def reached(self, state: Float[Tensor, "*values"]) -> tuple[Bool[Tensor, "*values"], Bool[Tensor, "*values"]]:
        """Return two masks: True for values at their lower bound, and True for values at their upper bound."""
        return state <= self.lower + TOLERANCE, state >= self.upper - TOLERANCE

    def of_residual(
        self,
        state: Float[Tensor, "*values"],
        mean: Float[Tensor, " variable"],
        std: Float[Tensor, " variable"],
    ) -> "Bounds":
        """Bounds of the normalised residual ``(s_next - s - mean) / std`` for a given state ``s``.

        Args:
            state: (..., variable) current state s, in physical units.
            mean, std: (variable,) mean and standard deviation of the residual, in the same units.
        """
        return Bounds((self.lower - state - mean) / std, (self.upper - state - mean) / std)
