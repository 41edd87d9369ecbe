"""Time several contestants on one machine so that their ratios are reliable.

In every round all contestants run once, one after the other, in random order. Other work on the machine, its clock rate
and its temperature then affect all samples of a round in the same way, and cancel in the ratios of each round.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from gensim_graph.system import precision

TimedCall = Callable[[], object]
"""Function without arguments that is timed; its result is ignored."""

Key = TypeVar("Key")


class Spread(NamedTuple):
    """Median and quartiles of samples.

    Attributes:
        median: the median.
        lower: lower quartile.
        upper: upper quartile.
    """

    median: float
    lower: float
    upper: float


def spread(samples: Sequence[float]) -> Spread:
    """Return median and quartiles of samples."""
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
    """Time all contestants once in every round, in random order.

    A first round warms up; its times are discarded.

    Args:
        contestants: functions to time, by name.
        rounds: number of rounds, which is the number of samples of each contestant.
        device: where they run; a GPU is synchronised before the clock is read.
        seed: seed of the random order.
        on_round: called after each round with the number of rounds so far, including the warm-up.

    Returns:
        Seconds of each contestant, one sample per round.

    Example:
        >>> import torch
        >>> from gensim_graph.benchmark.speed import compete, ratios
        >>> values = torch.ones(1000)
        >>> samples = compete({"sum": values.sum, "sort": values.sort}, rounds=3, device=torch.device("cpu"))
        >>> {name: len(seconds) for name, seconds in samples.items()}
        {'sum': 3, 'sort': 3}
        >>> len(ratios(samples["sort"], samples["sum"]))  # cost of sorting over that of the sum, one ratio per round
        3
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
    """Time of one run in seconds.

    Args:
        run: function to time.
        device: where it runs; a GPU is synchronised before and after.
    """
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def matrix_speed(device: torch.device, rounds: int = 7) -> float:
    """Return the highest speed of a product of two large square matrices in the precision of the device, TFLOP/s.

    Args:
        device: where it runs.
        rounds: number of products; the fastest one counts.
    """
    size = 8192 if device.type == "cuda" else 2048
    one, other = (torch.randn(size, size, device=device, dtype=precision(device)) for _ in range(2))
    return 2e-12 * size**3 / min(seconds_of(lambda: one @ other, device) for _ in range(rounds))


def ratios(of: Sequence[float], to: Sequence[float], scale: float = 1.0) -> tuple[float, ...]:
    """Return ``scale * of / to`` for each round.

    Args:
        of: samples of one contestant, one per round.
        to: samples of the contestant to compare with.
        scale: constant factor, for instance the ratio of their sizes.

    Raises:
        ValueError: the numbers of samples differ.

    Example:
        >>> ratios([2.0, 20.0], [1.0, 10.0])
        (2.0, 2.0)
    """
    return tuple(scale * numerator / denominator for numerator, denominator in zip(of, to, strict=True))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
