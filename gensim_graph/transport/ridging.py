"""Ridging: ice that converges to more than full cover piles up."""

import torch

from gensim_graph.typing import Float, Tensor

_THICKEST = 50.0  # m, thicker floes spread over more area, as in neXtSIM


def ridge(thickness: Float[Tensor, "*any"], concentration: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Return the concentration after ridging: ice above full cover piles up, and its volume stays the same.

    Args:
        thickness: m, ice volume per area.
        concentration: after the transport, may exceed 1.

    Example:
        >>> import torch
        >>> ridge(torch.tensor([2.0, 1.0]), torch.tensor([1.25, 0.5])).tolist()
        [1.0, 0.5]
    """
    return torch.maximum(concentration, thickness / _THICKEST).clamp(max=1.0)
