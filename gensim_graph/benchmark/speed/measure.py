"""Timing of contestants that share one machine.

All of them run once a round, one after the other, in an order that is shuffled for every round. What else the machine
does, its clock and its temperature, then change all samples of a round alike and drop out of the ratios, which are
formed round by round.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from gensim_graph.system import precision

TimedCall = Callable[[], object]
Key = TypeVar("Key")


class Spread(NamedTuple):
    """Median and quartiles of some samples."""

    median: float
    lower: float
    upper: float


def spread(samples: Sequence[float]) -> Spread:
    """Median and quartiles."""
    lower, median, upper = np.quantile(samples, (0.25, 0.5, 0.75))
    return Spread(float(median), float(lower), float(upper))


def compete(
    contestants: Mapping[Key, TimedCall],
    rounds: int,
    device: torch.device,
    *,
    seed: int = 0,
    on_round: Callable[[int], object] = lambda done: None,
) -> dict[Key, tuple[float, ...]]:
    """Time contestants against each other.

    Args:
        contestants: what to time; each runs once before the first round, which is not kept.
        rounds: samples of each.
        device: where they run; it is waited for before the clock is read.
        seed: of the order.
        on_round: called with the number of rounds done, the warm-up included.

    Returns:
        Seconds of each contestant, one a round.
    """
    generator = random.Random(seed)
    order = list(contestants)
    samples: dict[Key, list[float]] = {key: [] for key in order}

    for number in range(rounds + 1):
        generator.shuffle(order)
        for key in order:
            seconds = seconds_of(contestants[key], device)
            if number:
                samples[key].append(seconds)
        on_round(number + 1)

    return {key: tuple(values) for key, values in samples.items()}


def seconds_of(run: TimedCall, device: torch.device) -> float:
    """Time of one run."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def matrix_speed(device: torch.device, rounds: int = 7) -> float:
    """TFLOP/s of a product of two large square matrices in the precision of the device: the best of some."""
    size = 8192 if device.type == "cuda" else 2048
    one, other = (torch.randn(size, size, device=device, dtype=precision(device)) for _ in range(2))
    return 2e-12 * size**3 / min(seconds_of(lambda: one @ other, device) for _ in range(rounds))


def ratios(of: Sequence[float], to: Sequence[float], scale: float = 1.0) -> tuple[float, ...]:
    """``scale * of / to``, round by round."""
    return tuple(scale * above / below for above, below in zip(of, to, strict=True))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
