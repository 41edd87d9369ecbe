"""Guided sampling against the Kalman filter, for a flow whose end point is Gaussian."""

import pytest
import torch

import gensim_graph as gg
from gensim_graph.flow import GuidanceConfig, GuidedVelocity, Likelihood, SamplerConfig, gaussian_velocity, sample

N_VALUES, N_MEMBERS = 12, 20000
POSITION = torch.arange(N_VALUES) * 1.0
COVARIANCE = 0.6 * torch.exp(-0.5 * ((POSITION[:, None] - POSITION) / 2.0) ** 2) + 0.01 * torch.eye(N_VALUES)
MEAN = torch.linspace(-0.5, 0.5, N_VALUES)
OBSERVED = torch.tensor([2, 3, 8])
VALUE, VARIANCE = torch.tensor([1.0, 0.9, -1.2]), torch.tensor([0.04, 0.04, 0.09])


class SomeValues(Likelihood):
    """Observations of three of the values."""

    def __init__(self, variance: torch.Tensor = VARIANCE) -> None:
        self.variance = variance

    def innovation(self, end):
        return VALUE.to(end) - end[:, OBSERVED]

    def observe(self, change):
        return change[:, OBSERVED]

    def spread_out(self, weights):
        result = weights.new_zeros(len(weights), N_VALUES)
        result[:, OBSERVED] = weights
        return result


def kalman(variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Posterior mean and covariance in closed form."""
    operator = torch.eye(N_VALUES)[OBSERVED]
    gain = COVARIANCE @ operator.T @ torch.linalg.inv(operator @ COVARIANCE @ operator.T + variance.diag())
    return MEAN + gain @ (VALUE - operator @ MEAN), COVARIANCE - gain @ operator @ COVARIANCE


def ensemble(likelihood, config: GuidanceConfig, steps: int, members: int = N_MEMBERS) -> torch.Tensor:
    noise = torch.randn(members, N_VALUES, generator=torch.Generator().manual_seed(1))
    free = gaussian_velocity(MEAN, COVARIANCE)
    return sample(GuidedVelocity(free, likelihood, config), noise, SamplerConfig(steps=steps))


def test_mean_and_variance_are_those_of_the_kalman_filter():
    """Four products solve the system of three observations; the rest is the error of the integration."""
    found = ensemble(SomeValues(), GuidanceConfig(products=4), steps=60)
    mean, covariance = kalman(VARIANCE)
    spread = COVARIANCE.diagonal().sqrt()
    assert ((found.mean(0) - mean).abs() < 0.05 * spread).all()
    assert ((found.var(0) / covariance.diagonal() - 1).abs() < 0.05).all()


def test_one_product_and_six_steps_come_close():
    """As in a forecast. The observations lie two deviations away; of this, the mean misses less than 0.3 deviations."""
    found = ensemble(SomeValues(), GuidanceConfig(), steps=6)
    mean, covariance = kalman(VARIANCE)
    spread = COVARIANCE.diagonal().sqrt()
    assert ((found.mean(0) - mean).abs() < 0.3 * spread).all()
    assert (found.var(0) > 0.9 * covariance.diagonal()).all()
    assert (found.var(0) < COVARIANCE.diagonal()).all()


def test_one_product_fits_observations_of_every_value():
    """The members keep to the observations within their errors, which are an eighth of the free spread."""

    class EveryValue(SomeValues):
        truth = MEAN + torch.linalg.cholesky(COVARIANCE) @ torch.randn(
            N_VALUES, generator=torch.Generator().manual_seed(3)
        )

        def innovation(self, end):
            return self.truth - end

        def observe(self, change):
            return change

        def spread_out(self, weights):
            return weights

    found = ensemble(EveryValue(torch.full((N_VALUES,), 0.01)), GuidanceConfig(), steps=6, members=2000)
    misfit = (found - EveryValue.truth) / 0.1
    assert misfit.square().mean().sqrt() < 1.1

    posterior = MEAN + COVARIANCE @ torch.linalg.solve(COVARIANCE + 0.01 * torch.eye(N_VALUES), EveryValue.truth - MEAN)
    assert (found.mean(0) - posterior).abs().max() < 0.05


def test_observations_that_say_the_same_do_not_add_up():
    """Forty observations of one value, each with forty times the error variance, are one observation."""

    class Repeated(SomeValues):
        def innovation(self, end):
            return super().innovation(end)[:, [0] * 40]

        def observe(self, change):
            return super().observe(change)[:, [0] * 40]

        def spread_out(self, weights):
            total = weights.sum(-1, keepdim=True)
            return super().spread_out(torch.cat((total, torch.zeros(len(weights), 2)), dim=-1))

    class Single(SomeValues):
        def innovation(self, end):
            return super().innovation(end)[:, :1]

        def observe(self, change):
            return super().observe(change)[:, :1]

        def spread_out(self, weights):
            return super().spread_out(torch.cat((weights, torch.zeros(len(weights), 2)), dim=-1))

    many = ensemble(Repeated(torch.full((40,), 1.6)), GuidanceConfig(), steps=12, members=500)
    single = ensemble(Single(torch.full((1,), 0.04)), GuidanceConfig(), steps=12, members=500)
    assert torch.allclose(many, single, atol=1e-4)


def test_perfect_observations_are_met():
    found = ensemble(SomeValues(torch.full((3,), 1e-8)), GuidanceConfig(products=4), steps=40, members=100)
    assert torch.allclose(found[:, OBSERVED], VALUE.expand(100, -1), atol=1e-2)


@pytest.mark.parametrize("weak", [SomeValues(torch.full((3,), 1e12)), None])
def test_weak_observations_change_nothing(weak):
    config = GuidanceConfig() if weak else GuidanceConfig(strength=0.0)
    noise = torch.randn(50, N_VALUES, generator=torch.Generator().manual_seed(1))
    free = sample(gaussian_velocity(MEAN, COVARIANCE), noise, SamplerConfig())
    found = ensemble(weak or SomeValues(), config, steps=6, members=50)
    assert torch.allclose(found, free, atol=1e-6)


def test_members_do_not_depend_on_each_other():
    together = ensemble(SomeValues(), GuidanceConfig(), steps=6, members=8)
    noise = torch.randn(8, N_VALUES, generator=torch.Generator().manual_seed(1))
    alone = GuidedVelocity(gaussian_velocity(MEAN, COVARIANCE), SomeValues())
    assert torch.allclose(sample(alone, noise[3:4], SamplerConfig()), together[3:4], atol=1e-6)


def test_the_closed_form_velocity_ends_in_the_gaussian():
    noise = torch.randn(N_MEMBERS, N_VALUES, generator=torch.Generator().manual_seed(2))
    found = sample(gaussian_velocity(MEAN, COVARIANCE), noise, SamplerConfig(steps=40))
    assert torch.allclose(found.mean(0), MEAN, atol=0.02)
    assert torch.allclose(found.T.cov(), COVARIANCE, atol=0.02)


def test_wrong_settings_are_named():
    with pytest.raises(gg.InputError, match=r"guidance\.products"):
        GuidanceConfig(products=0)
