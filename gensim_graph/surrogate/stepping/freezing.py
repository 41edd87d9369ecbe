"""Weights that are not differentiated while a guide differentiates the flow."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen_weights(network: nn.Module) -> Iterator[None]:
    """Keep a backward pass from computing gradients of the weights, which would need memory and time.

    Args:
        network: whose weights are frozen inside.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    try:
        for weight in trained:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)
