"""Noise of ensemble members: each member has a generator of its own, so that it is the same on any machine."""

from collections.abc import Sequence

import numpy as np
import torch

from gensim_graph.typing import Float, Tensor


def member_noise(
    generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device
) -> Float[Tensor, "member *shape"]:
    """Draw standard normal noise on the processor and copy it to a device.

    A GPU reads the numbers from pinned memory while the processor goes on.

    Args:
        generators: one for each member.
        shape: of the noise of one member.
        device: that computes.

    Example:
        >>> import torch
        >>> from gensim_graph.flow import member_noise
        >>> generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
        >>> member_noise(generators, (4, 6), torch.device("cpu")).shape
        torch.Size([2, 4, 6])
    """
    is_on_gpu = device.type == "cuda"
    noise = torch.empty(len(generators), *shape, pin_memory=is_on_gpu)
    for member, generator in zip(noise, generators, strict=True):
        torch.randn(*shape, generator=generator, out=member)

    return noise.to(device, non_blocking=is_on_gpu)


def noise_generator(seed: int, member: int, step: int) -> torch.Generator:
    """Return the random numbers of one member at one step, independent of all other members and steps.

    Args:
        seed: of the forecast.
        member: number of the member.
        step: number of steps before this one.
    """
    state = np.random.SeedSequence([seed, member, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
