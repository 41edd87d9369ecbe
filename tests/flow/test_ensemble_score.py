"""The almost fair CRPS: closed form for Gaussians, no dependence on the number of members or on the axes."""

import math

import pytest
import torch

from gensim_graph.errors import InputError
from gensim_graph.flow import Bounds, almost_fair_crps, almost_fair_energy

MEAN, SCALE, TRUTH = 0.4, 1.3, 1.1


def gaussian_crps() -> float:
    """CRPS of N(MEAN, SCALE^2) at TRUTH (Gneiting and Raftery 2007)."""
    z = (TRUTH - MEAN) / SCALE
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return SCALE * (z * math.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


def mean_score(count: int, fairness: float, draws: int = 200_000) -> tuple[float, float]:
    """Mean score of many ensembles, and its standard error."""
    members = MEAN + SCALE * torch.randn(count, draws, generator=torch.Generator().manual_seed(count)).double()
    scores = almost_fair_crps(members, torch.full((draws,), TRUTH).double(), fairness)
    return float(scores.mean()), float(scores.std()) / math.sqrt(draws)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_fair_score_has_the_expectation_of_the_whole_distribution_for_any_number_of_members(count):
    mean, error = mean_score(count, fairness=1.0)
    assert abs(mean - gaussian_crps()) < 4 * error


@pytest.mark.parametrize("fairness", [0.0, 0.95])
def test_bias_of_the_other_forms_is_the_mean_difference_over_the_number_of_members(fairness):
    count = 4
    mean, error = mean_score(count, fairness)
    difference = 2 * SCALE / math.sqrt(math.pi)  # E|x - x'| of a Gaussian
    assert abs(mean - gaussian_crps() - (1 - fairness) * difference / (2 * count)) < 4 * error


def test_sum_over_pairs_equals_the_double_sum():
    members, truth = torch.randn(5, 7, 2).double(), torch.randn(7, 2).double()
    pairs = sum((one - other).norm(dim=-1) for one in members for other in members)
    expected = (members - truth).norm(dim=-1).mean(0) - (0.9 / (2 * 5 * 4) + 0.1 / (2 * 25)) * pairs
    torch.testing.assert_close(almost_fair_energy(members, truth, 0.9), expected)


def test_energy_score_does_not_depend_on_the_axes():
    members, truth = torch.randn(3, 50, 2).double(), torch.randn(50, 2).double()
    turn = torch.tensor([[math.cos(0.7), math.sin(0.7)], [-math.sin(0.7), math.cos(0.7)]]).double()
    torch.testing.assert_close(almost_fair_energy(members @ turn, truth @ turn), almost_fair_energy(members, truth))


def test_gradient_is_finite_where_members_and_truth_agree():
    members = torch.zeros(2, 3, 2, requires_grad=True)
    almost_fair_energy(members, torch.zeros(3, 2)).sum().backward()
    assert torch.isfinite(members.grad).all()


def test_one_member_is_refused():
    with pytest.raises(InputError, match="2 members or more; came 1"):
        almost_fair_crps(torch.zeros(1, 3), torch.zeros(3))


def test_values_beyond_a_bound_have_a_gradient_only_if_it_leads_back():
    bounds = Bounds(torch.tensor(0.0), torch.tensor(1.0))
    values = torch.tensor([-0.5, -0.5, 0.5, 1.5, 1.5], requires_grad=True)
    slope = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])

    (bounds.clip(values) * slope).sum().backward()
    assert values.grad.tolist() == [0.0, -1.0, 1.0, 1.0, 0.0]
    assert bounds.clip(values).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(("fairness", "expected"), [(1.0, 1.0), (0.99, 0.99), (0.95, 0.95)])
def test_what_is_not_fair_narrows_the_best_ensemble_by_about_its_share(fairness, expected):
    """Expected score of two members N(0, s^2) for a truth N(0, 1), over s: E|x - y| and E|x - x'| are known."""
    spread = torch.linspace(0.8, 1.1, 3001).double()
    weight = fairness / 2 + (1 - fairness) / 4
    score = (1 + spread.square()).sqrt() * math.sqrt(2 / math.pi) - weight * 2 * spread / math.sqrt(math.pi)
    assert float(spread[score.argmin()]) == pytest.approx(expected, abs=0.005)
