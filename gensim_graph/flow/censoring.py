"""Bounds of the state, and their meaning for the residual on the path.

Many values of a bounded variable lie exactly at a bound: open water has concentration 0, pack ice 1. Such a value is
*censored*: the Gaussian behind it may lie beyond the bound, but the state cannot show that. The loss therefore asks
only that the prediction lies at the bound or beyond it.
"""

from typing import Any, NamedTuple

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
        """Replace values beyond a bound by the bound.

        A value beyond a bound has a gradient if that leads back inside: otherwise, a member that is beyond the bound
        where the truth is not could not learn that.
        """
        if values.requires_grad and torch.is_grad_enabled():
            clipped: Tensor = _ClipWithInwardGradient.apply(values, self.lower, self.upper)
            return clipped
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


class _ClipWithInwardGradient(torch.autograd.Function):
    """Clip to bounds; gradients pass where they are inside, or where a descent leads there."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """Clip.

        Args:
            ctx: keeps where values are beyond a bound.
            values, lower, upper: as in :meth:`Bounds.clip`.
        """
        ctx.save_for_backward(values < lower, values > upper)
        return torch.minimum(torch.maximum(values, lower), upper)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        """Leave out slopes that lead further out.

        Args:
            ctx: from the clipping.
            slope: of the loss.
        """
        below, above = ctx.saved_tensors
        outward = (below & (slope > 0)) | (above & (slope < 0))
        return slope.masked_fill(outward, 0.0), None, None
