"""AdamW in the form that suits the device.

The fused form of PyTorch updates all weights with a few kernels of a GPU. Checkpoints of both forms are the same except
for one entry that names the form, so a run may be resumed on another device.
"""

from collections.abc import Sequence
from typing import Any

import torch

_FORM = ("fused", "foreach", "capturable")
"""Entries of a parameter group that say how the update is computed, and not what it is."""


def build_adamw(groups: Sequence[dict[str, Any]], betas: tuple[float, float], fused: bool) -> torch.optim.AdamW:
    """Build AdamW; what it loads from a checkpoint does not change how it computes.

    Args:
        groups: weights with their learning rate and decay.
        betas: decay of the mean gradient and of the mean square.
        fused: take the fused form.

    Example:
        >>> import torch
        >>> from gensim_graph.train.loop import build_adamw
        >>> weight = torch.nn.Parameter(torch.ones(3))
        >>> optimizer = build_adamw([{"params": [weight], "lr": 1e-3}], betas=(0.9, 0.99), fused=False)
        >>> print(optimizer.defaults["fused"])
        None
    """
    optimiser = torch.optim.AdamW(list(groups), betas=betas, fused=fused or None)
    optimiser.register_load_state_dict_pre_hook(_keep_form)
    return optimiser


def suits_fused(device: torch.device, precision: str) -> bool:
    """Return True if the fused form can be used.

    With half precision, it would divide the gradients by their scale by itself, after they have been clipped.

    Args:
        device: of the weights.
        precision: in the words of Lightning.
    """
    return device.type == "cuda" and precision not in ("16", "16-mixed")


def _keep_form(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Replace the form that a checkpoint names by that of the optimiser, before its state is loaded.

    The number of steps then lies where this form expects it: on the device for the fused one.
    """
    own = {name: optimiser.defaults[name] for name in _FORM}
    return state | {"param_groups": [group | own for group in state["param_groups"]]}
