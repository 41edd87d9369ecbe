"""Bounds of the state, and what they mean for the residual on the path.

A state variable that is bounded has a point mass at its bound: open water has concentration 0, pack ice 1. Such a
value is *censored*: the model behind it may have wanted to go further. The loss then asks only that the prediction
lies at the bound or beyond.
"""

from typing import NamedTuple

import torch

from gensim_graph.typing import Bool, Float, Tensor

TOLERANCE = 1e-6
"""A value this near to a bound is at the bound: averages of ones may differ from one in the last digits."""


class Bounds(NamedTuple):
    """Lower and upper bounds of the variables, infinite where there is none."""

    lower: Float[Tensor, "*shape"]
    upper: Float[Tensor, "*shape"]

    def clip(self, values: Float[Tensor, "*values"]) -> Float[Tensor, "*values"]:
        """Values brought into the bounds."""
        return torch.minimum(torch.maximum(values, self.lower), self.upper)

    def reached(self, state: Float[Tensor, "*values"]) -> tuple[Bool[Tensor, "*values"], Bool[Tensor, "*values"]]:
        """Where the state sits at its lower and at its upper bound."""
        return state <= self.lower + TOLERANCE, state >= self.upper - TOLERANCE

    def of_residual(
        self,
        state: Float[Tensor, "*values"],
        mean: Float[Tensor, " variable"],
        std: Float[Tensor, " variable"],
    ) -> "Bounds":
        """Bounds of the normalised residual ``(s_next - s - mean) / std`` given the state ``s``."""
        return Bounds((self.lower - state - mean) / std, (self.upper - state - mean) / std)
