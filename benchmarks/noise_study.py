"""Skill that noise with a law of its own on every mesh gives, against noise that is independent in every cell.

Usage: python benchmarks/noise_study.py --data DATA [--steps 1000] [--seeds 2] [--variants a,b] [--out DIR]

Variants:

- ``white``: standard normal noise in each cell, as the package has it. The finer the mesh, the less is left of it in
  the mean over a fixed area;
- ``smooth``: half of its variance is a Matern field (smoothness 1, range 200 km), the same on every mesh;
- ``smooth_drift``: the same for the drift alone; thickness and the others have white noise.

The smooth field is a sum of random waves, whose wave numbers have the spectral density of the Matern covariance
(Lindgren et al. 2011 for the covariance, Rahimi and Recht 2007 for the waves). All variants of a seed have the same
initial weights and samples. Tables as those of ``transport_study.py``; the same command continues a study.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transport_study import Variants, compare, read_options, unchanged

import gensim_graph as gg
from gensim_graph.data import sampling
from gensim_graph.graph import MeshGraph
from gensim_graph.surrogate import step_model
from gensim_graph.typing import Tensor
from gensim_graph.variables import vector_pairs

RANGE, SHARE, WAVES = 200e3, 0.5, 96
"""Range of the smooth field (m), its share of the variance, and number of its waves."""

Draw = Callable[[tuple[int, ...]], Tensor]
"""Random numbers of a shape."""


def smooth_noise(positions: Tensor, channels: int, normal: Draw, uniform: Draw) -> Tensor:
    """Random field of variance one at some places, (place, channel).

    Args:
        positions: (place, 2) m.
        channels: independent fields.
        normal, uniform: draw random numbers.
    """
    amplitude, drawn = normal((2 * WAVES, channels)), uniform((WAVES, 2))
    kappa = math.sqrt(8.0) / RANGE
    number = kappa * torch.sqrt(1 / (1 - drawn[:, 0]).clamp(min=1e-6) - 1)  # density (kappa2 + k2)^-2 in the plane
    angle = 2 * math.pi * drawn[:, 1]
    phase = positions.double() @ torch.stack([number * torch.cos(angle), number * torch.sin(angle)]).double()

    return torch.cat([torch.cos(phase), torch.sin(phase)], dim=1).float() @ amplitude / math.sqrt(WAVES)


def with_smooth_part(white: Tensor, graph: MeshGraph, normal: Draw, uniform: Draw, drift_alone: bool) -> Tensor:
    """Replace a part of white noise, (cell, channel).

    Args:
        white: noise of a sample.
        graph: of its cells.
        normal, uniform: draw random numbers.
        drift_alone: leave all other variables as they are.
    """
    smooth = smooth_noise(graph.pos, white.shape[-1], normal, uniform)
    mixed = math.sqrt(1 - SHARE) * white + math.sqrt(SHARE) * smooth
    if not drift_alone:
        return mixed

    drift = [channel for pair in vector_pairs(gg.default_variables().state) for channel in pair]
    chosen = white.clone()
    chosen[:, drift] = mixed[:, drift]
    return chosen


def smooth(drift_alone: bool) -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which samples and forecasts have noise with a smooth part.

    Args:
        drift_alone: see :func:`with_smooth_part`.
    """
    draw_sample, make_step, noised = sampling.TrainingSamples._sample, step_model.StepModel.step, sampling.noised_sample

    def sample(self: Any, graph: MeshGraph, fields: Any, core: Any, time: float, rng: Any, normaliser: Any) -> Any:
        normal = lambda shape: torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))  # noqa: E731
        uniform = lambda shape: torch.from_numpy(rng.random(shape, dtype=np.float32))  # noqa: E731

        def changed(residual: Tensor, white: Tensor, flow_time: Tensor) -> Any:
            return noised(residual, with_smooth_part(white, graph, normal, uniform, drift_alone), flow_time)

        with patch.object(sampling, "noised_sample", changed):
            return draw_sample(self, graph, fields, core, time, rng, normaliser)

    def step(self: Any, state: Tensor, *drivers: Any) -> Tensor:
        plan = drivers[3]

        def noise(self: Any, state: Tensor, generators: list[torch.Generator]) -> list[Tensor]:
            parts = []
            for generator in generators:
                normal, uniform = (partial(one, generator=generator) for one in (torch.randn, torch.rand))
                white = normal(tuple(state.shape[1:]))
                parts.append(with_smooth_part(white, plan.graph, normal, uniform, drift_alone))
            return [torch.stack(parts)]

        with patch.object(step_model.StepModel, "_noise", noise):
            return make_step(self, state, *drivers)

    @contextmanager
    def change() -> Iterator[None]:
        with (
            patch.object(sampling.TrainingSamples, "_sample", sample),
            patch.object(step_model.StepModel, "step", step),
        ):
            yield

    return change


SETTINGS = ("data.transport=true", "data.drift_response=false")

VARIANTS: Variants = {
    "white": (unchanged, SETTINGS),
    "smooth": (smooth(drift_alone=False), SETTINGS),
    "smooth_drift": (smooth(drift_alone=True), SETTINGS),
}


if __name__ == "__main__":
    compare(VARIANTS, read_options(__doc__, VARIANTS, "bench/noise"), "noise_study")
