"""The flow: path, schedule, censored objective, sampler."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from gensim_graph.errors import InputError
from gensim_graph.flow import (
    Bounds,
    SamplerConfig,
    ScaleModel,
    censored_nll,
    noised_sample,
    sample,
    sigmoid_schedule,
)
from gensim_graph.typing import Tensor

# Path


def test_the_path_begins_with_noise():
    residual, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    torch.testing.assert_close(noised_sample(residual, noise, torch.zeros(2, 1, 1)).noised, noise)


def test_the_path_ends_with_the_residual():
    residual, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    torch.testing.assert_close(noised_sample(residual, noise, torch.ones(2, 1, 1)).noised, residual)


def test_the_velocity_is_the_derivative_of_the_path():
    residual, noise = torch.randn(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    early, late = (noised_sample(residual, noise, torch.tensor(t, dtype=torch.float64)) for t in (0.4, 0.6))
    torch.testing.assert_close((late.noised - early.noised) / 0.2, early.velocity)


# Schedule


@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize(("scale", "shift"), [(0.0, 0.0), (3.0, 0.5), (8.0, -1.0)])
def test_the_schedule_runs_from_0_to_1(steps, scale, shift):
    knots = sigmoid_schedule(steps, scale, shift)
    assert knots.shape == (steps + 1,)
    assert (knots[0], knots[-1]) == (0.0, 1.0)
    assert (knots.diff() > 0).all()


def test_scale_0_gives_equal_steps():
    torch.testing.assert_close(sigmoid_schedule(4, 0.0), torch.tensor([0, 0.25, 0.5, 0.75, 1.0]))


def test_steps_are_small_near_the_data():
    steps = sigmoid_schedule(20, 3.0, 0.5).diff()
    assert steps.argmin() == 19


@pytest.mark.parametrize("arguments", [(0,), (4, -1.0)])
def test_an_impossible_schedule_is_refused(arguments):
    with pytest.raises(InputError, match="schedule"):
        sigmoid_schedule(*arguments)


# Objective


def loss(velocity: float, predicted: float, scale: float, bound: str) -> float:
    values = [torch.tensor([number], dtype=torch.float64) for number in (velocity, predicted, math.log(scale))]
    flags = [torch.tensor([bound == name]) for name in ("lower", "upper")]
    return float(censored_nll(*values, *flags))


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
@pytest.mark.parametrize(("velocity", "predicted"), [(0.0, 0.0), (1.0, -0.7), (-2.0, 1.5), (0.4, 3.0)])
@pytest.mark.parametrize("bound", ["none", "lower", "upper"])
def test_the_loss_is_that_of_a_censored_gaussian(velocity, predicted, scale, bound):
    """The mass beyond the bound, by integration; the density inside."""

    def density(x: float) -> float:
        return math.exp(-0.5 * ((x - predicted) / scale) ** 2) / scale / math.sqrt(2 * math.pi)

    far = 40 * scale
    mass = {
        "none": lambda: density(velocity),
        "lower": lambda: quad(density, velocity - far, velocity, points=[predicted], epsabs=0, limit=200)[0],
        "upper": lambda: quad(density, velocity, velocity + far, points=[predicted], epsabs=0, limit=200)[0],
    }[bound]()
    assert loss(velocity, predicted, scale, bound) == pytest.approx(-math.log(mass), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("bound", ["lower", "upper"])
def test_going_beyond_the_bound_costs_nothing(bound):
    beyond = {"lower": -50.0, "upper": 50.0}[bound]
    assert loss(0.0, beyond, 1.0, bound) == pytest.approx(0, abs=1e-12)


def test_a_huge_error_costs_its_tail():
    """-log Phi(-e) = e^2 / 2 + log e + log(2 pi) / 2 far out, where Phi itself is zero."""
    assert loss(0.0, 1e3, 1.0, "lower") == pytest.approx(-norm.logcdf(-1e3), rel=1e-9)


@pytest.mark.parametrize("bound", ["none", "lower", "upper"])
@pytest.mark.parametrize("error", [-1e6, -1e3, 0.0, 1e3, 1e6])
def test_gradients_are_finite_however_large_the_error(error, bound):
    predicted, log_scale = torch.tensor([error], requires_grad=True), torch.zeros(1, requires_grad=True)
    flags = [torch.tensor([bound == name]) for name in ("lower", "upper")]
    censored_nll(torch.zeros(1), predicted, log_scale, *flags).sum().backward()
    assert predicted.grad.isfinite().all()
    assert log_scale.grad.isfinite().all()


def test_the_best_scale_is_the_deviation():
    errors = 1.7 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    log_scale = torch.zeros(1, requires_grad=True)
    never = torch.zeros(20000, dtype=torch.bool)
    optimizer = torch.optim.LBFGS([log_scale], max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = censored_nll(errors, torch.zeros(20000), log_scale, never, never).mean()
        value.backward()
        return value

    optimizer.step(closure)
    assert log_scale.exp().item() == pytest.approx(errors.square().mean().sqrt().item(), rel=1e-3)


def test_components_of_a_vector_share_their_scale():
    scale = ScaleModel((0, 1, 1, 2))(torch.rand(5), torch.zeros(5))
    assert scale.shape == (5, 4)
    assert (scale[:, 1] == scale[:, 2]).all()


# Bounds


def test_bounds_of_the_residual_are_those_of_the_state():
    bounds = Bounds(torch.tensor([0.0, -torch.inf]), torch.tensor([1.0, torch.inf]))
    state, mean, std = torch.rand(50, 2), torch.tensor([0.1, 0.0]), torch.tensor([0.3, 2.0])
    ends = bounds.of_residual(state, mean, std)
    torch.testing.assert_close((state + mean + std * ends.upper)[:, 0], torch.ones(50))
    assert ends.lower[:, 1].isinf().all()


def test_values_at_a_bound_are_seen():
    bounds = Bounds(torch.zeros(4), torch.ones(4))
    at_lower, at_upper = bounds.reached(torch.tensor([0.0, 0.5, 1.0, 0.9999999]))
    assert at_lower.tolist() == [True, False, False, False]
    assert at_upper.tolist() == [False, False, True, True]


# Sampler

MEAN, DEVIATION = 1.5, 2.0
"""For deviations below one the errors of Heun's steps and of the last one (Euler's) nearly cancel on the sigmoid
schedule: no order can be read off there."""


def gaussian_velocity(z: Tensor, tau: float) -> Tensor:
    """Velocity of the flow from N(0, 1) to N(MEAN, DEVIATION^2): E[x1 - eps | z].

    z is N(tau m, V) with V = tau^2 s^2 + (1 - tau)^2 and its covariance with x1 - eps is tau s^2 - (1 - tau).
    The exact map is z_0 -> m + s z_0.
    """
    variance = (tau * DEVIATION) ** 2 + (1 - tau) ** 2
    return MEAN + (tau * DEVIATION**2 - (1 - tau)) / variance * (z - tau * MEAN)


def sampling_error(steps: int, **keywords: float | str) -> float:
    noise = torch.linspace(-2, 2, 41, dtype=torch.float64)
    came = sample(gaussian_velocity, noise, SamplerConfig(steps=steps, **keywords))
    return float((came - MEAN - DEVIATION * noise).abs().max())


@pytest.mark.parametrize(("scale", "shift"), [(0.0, 0.0), (3.0, 0.5)], ids=["equal steps", "sigmoid"])
@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_order_of_the_sampler(method, order, scale, shift):
    errors = [sampling_error(steps, method=method, scale=scale, shift=shift) for steps in (32, 64, 128)]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert orders == pytest.approx([order, order], abs=0.25)


def test_one_step_of_a_straight_flow_is_exact():
    target = torch.randn(10)
    came = sample(lambda z, tau: (target - z) / (1 - tau), torch.randn(10), SamplerConfig(steps=1))
    torch.testing.assert_close(came, target)


@pytest.mark.parametrize("steps", [1, 5])
def test_evaluations_of_heun(steps):
    times = []
    sample(lambda z, tau: times.append(tau) or torch.zeros_like(z), torch.zeros(1), SamplerConfig(steps=steps))
    assert len(times) == 2 * steps - 1
    assert max(times) < 1


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("method", ["euler", "midpoint", "heun"])
def test_samples_stay_within_their_bounds(method, steps):
    """Even with a velocity that makes no sense."""
    generator = torch.Generator().manual_seed(0)
    bounds = Bounds(torch.tensor([-1.0, 0.0, -torch.inf]), torch.tensor([1.0, torch.inf, 0.5]))

    def wild(z: Tensor, tau: float) -> Tensor:
        return 1e3 * torch.randn(z.shape, generator=generator) + 50 * z

    came = sample(wild, torch.randn(200, 3, generator=generator), SamplerConfig(steps=steps, method=method), bounds)
    assert (came >= bounds.lower).all()
    assert (came <= bounds.upper).all()


def test_bounds_far_away_change_nothing():
    noise = torch.linspace(-2, 2, 41)
    bounds = Bounds(torch.tensor(-1e3), torch.tensor(1e3))
    torch.testing.assert_close(sample(gaussian_velocity, noise, bounds=bounds), sample(gaussian_velocity, noise))


def test_the_distribution_is_that_of_the_data():
    noise = torch.randn(20000, generator=torch.Generator().manual_seed(0))
    came = sample(gaussian_velocity, noise, SamplerConfig(steps=20)).numpy()
    assert np.mean(came) == pytest.approx(MEAN, abs=0.05)
    assert np.std(came) == pytest.approx(DEVIATION, rel=0.03)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match=r"euler, midpoint, heun; came 'rk4'"):
        SamplerConfig(method="rk4")


@pytest.mark.parametrize(("steps", "method"), [(1, "euler"), (4, "euler"), (1, "heun"), (6, "heun"), (5, "midpoint")])
def test_evaluations_are_those_that_the_sampler_makes(steps, method):
    calls = []

    def velocity(state, tau):
        calls.append(tau)
        return -state

    config = SamplerConfig(steps=steps, method=method)
    sample(velocity, torch.zeros(3), config)
    assert len(calls) == config.evaluations
