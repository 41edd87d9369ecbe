r"""Guided sampling: the flow is pulled towards observations while it is integrated, without training it again.

For the straight path, the velocity of the flow given observations y differs from the free one by the gradient of their
likelihood (Chung et al. 2023; for flows Pokle et al. 2024):

.. math:: v(z, \tau | y) = v(z, \tau) + \frac{1 - \tau}{\tau} \nabla_z \log p(y | z).

With Gaussian errors R, the observation operator H, and a Gaussian of mean :math:`\hat x_1 = z + (1 - \tau) v` and
covariance C for the end point, the end point moves by the increment of a Kalman filter,

.. math:: \Delta \hat x_1 = C H^T (H C H^T + R)^{-1} (y - H \hat x_1), \qquad
    C = \frac{(1 - \tau)^2}{\tau} \left( \frac{\partial \hat x_1}{\partial z} \right)^T .

The covariance of the flow itself is the derivative of its end point (Boys et al. 2024; Rozet et al. 2024): a product
with it is one backward pass through the network. Observations that say the same must not add up, so the system has to
be solved: each evaluation goes on from the solution of the one before, with a step whose length follows from the last
two solutions (Barzilai and Borwein 1988).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gensim_graph.errors import at_least, check_values
from gensim_graph.flow.sampler import Velocity
from gensim_graph.typing import Float, Tensor


class Likelihood(ABC):
    """Observations of the end point of the flow, with a linear operator H and independent errors.

    Attributes:
        variance: (observation,) error variances R.
    """

    variance: Float[Tensor, " observation"]

    @abstractmethod
    def innovation(self, end: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch observation"]:
        """Return observations minus predicted ones; zero where a censored observation agrees with its prediction.

        Args:
            end: predicted end point.
        """

    def moved_to(self, end: Float[Tensor, "batch *shape"]) -> None:  # noqa: B027
        """Take note of the end point with its increment: H may be linear only near it.

        Args:
            end: guided end point.
        """

    @abstractmethod
    def observe(self, change: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch observation"]:
        """Apply H.

        Args:
            change: of the end point.
        """

    @abstractmethod
    def spread_out(self, weights: Float[Tensor, "batch observation"]) -> Float[Tensor, "batch *shape"]:
        """Apply the adjoint of H.

        Args:
            weights: of the observations.
        """


@dataclass(frozen=True)
class GuidanceConfig:
    """How the flow is guided.

    Attributes:
        products: products with the covariance of the flow in each evaluation; each costs a backward pass.
        strength: factor of the increments; 1 is what the equations say, 0 gives the free flow.
    """

    products: int = 1
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Check the values."""
        check_values(self, "guidance", {"products": at_least(1), "strength": at_least(0)})


class GuidedVelocity:
    """Velocity of the flow given observations, for one integration from noise to a sample.

    At flow time 0 the end point of the flow does not depend on the noise, and the velocity is the free one.

    Args:
        velocity: v(z, tau) of the free flow, differentiable.
        likelihood: the observations.
        config: settings.

    Example:
        Two values have variance 1 and covariance 1/2; the first one is observed to be 2, with a tiny error:

        >>> import torch
        >>> from gensim_graph.flow import GuidedVelocity, Likelihood, SamplerConfig, gaussian_velocity, sample
        >>> class FirstValue(Likelihood):
        ...     variance = torch.tensor([1e-4])
        ...     def innovation(self, end): return 2.0 - end[:, :1]
        ...     def observe(self, change): return change[:, :1]
        ...     def spread_out(self, weights): return torch.nn.functional.pad(weights, (0, 1))
        >>> free = gaussian_velocity(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
        >>> noise = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
        >>> found = sample(GuidedVelocity(free, FirstValue()), noise, SamplerConfig(steps=50))
        >>> print("mean {:.1f} and {:.1f}, variance of the second {:.1f}".format(*found.mean(0), found[:, 1].var()))
        mean 2.0 and 1.0, variance of the second 0.8
    """

    def __init__(self, velocity: Velocity, likelihood: Likelihood, config: GuidanceConfig | None = None) -> None:
        self.config = config or GuidanceConfig()
        self._velocity, self._likelihood = velocity, likelihood
        self._error = likelihood.variance.sqrt()
        self._solution: _Solution | None = None

    def __call__(self, state: Tensor, tau: float) -> Tensor:
        """Compute the velocity.

        Args:
            state: z, with the members along the first dimension.
            tau: flow time.
        """
        if tau == 0.0 or self.config.strength == 0.0:
            return self._velocity(state, tau)

        with torch.enable_grad():
            start = state.detach().requires_grad_()
            free = self._velocity(start, tau)
            end = start + (1 - tau) * free

        increment = self._increment(start, end, (1 - tau) ** 2 / tau)
        self._likelihood.moved_to(end.detach() + self.config.strength * increment)
        return free.detach() + self.config.strength / (1 - tau) * increment

    def _increment(self, start: Tensor, end: Tensor, factor: float) -> Tensor:
        """Return C H^T w, with an approximate solution of (H C H^T + R) w = d; all scaled by the errors of d.

        Args:
            start: z, with gradient.
            end: predicted end point, a function of ``start``.
            factor: of the derivative of the end point in the covariance.
        """
        wanted = self._likelihood.innovation(end.detach()) / self._error
        known = self._solution
        direction = wanted if known is None else known.weights + known.rate * (wanted - known.explained)
        misfit, rate = wanted, wanted.new_zeros(())
        weights, explained, increment = torch.zeros_like(wanted), torch.zeros_like(wanted), torch.zeros_like(start)

        for number in range(self.config.products):
            is_last = number + 1 == self.config.products
            spread = self._likelihood.spread_out(direction / self._error)
            (slope,) = torch.autograd.grad(end, start, spread, retain_graph=not is_last)
            product = self._likelihood.observe(factor * slope) / self._error + direction

            # The best multiple of the guess; later the one with the least misfit, which cannot grow then, although the
            # derivative is not quite symmetric.
            against = direction if number == 0 else product
            gain = _ratio((against * misfit).sum(-1, keepdim=True), (against * product).sum(-1, keepdim=True))
            weights, explained = weights + gain * direction, explained + gain * product
            increment = increment + gain.reshape(-1, *[1] * (slope.ndim - 1)) * factor * slope
            rate = gain if number == 0 else rate

            # The next direction is conjugate to the last one; after a guess from before, it is the misfit itself.
            before, misfit = misfit, wanted - explained
            kept = _ratio(misfit.square().sum(-1, keepdim=True), before.square().sum(-1, keepdim=True))
            direction = misfit if known and number == 0 else misfit + kept * direction

        self._solution = _Solution(weights, explained, rate if known is None else _rate(known, weights, explained))
        return increment.detach()


def _rate(known: "_Solution", weights: Tensor, explained: Tensor) -> Tensor:
    """Step from a misfit to weights by the last change of both (Barzilai and Borwein 1988), for each member.

    No eigenvalue of the matrix is below one, because of the errors of the observations: no step is above one.
    """
    change, difference = weights - known.weights, explained - known.explained
    size, curvature = ((change * one).sum(-1, keepdim=True) for one in (change, difference))
    return torch.where(curvature > 0, _ratio(size, curvature).clamp(max=1.0), known.rate)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Quotient; zero where the denominator is not positive."""
    quotient = numerator / denominator.clamp(min=torch.finfo(denominator.dtype).tiny)
    return torch.where(denominator > 0, quotient, torch.zeros_like(quotient))


class _Solution(NamedTuple):
    """Approximate solution of the linear system.

    Attributes:
        weights: w.
        explained: (H C H^T + R) w.
        rate: step from a misfit to weights, one for each member.
    """

    weights: Tensor
    explained: Tensor
    rate: Tensor


def gaussian_velocity(mean: Float[Tensor, " n"], covariance: Float[Tensor, "n n"]) -> Callable[[Tensor, float], Tensor]:
    r"""Velocity of the flow whose end point is Gaussian, in closed form; to test what is built on a flow.

    .. math:: v = m + \left( \tau P - (1 - \tau) I \right) \left( \tau^2 P + (1 - \tau)^2 I \right)^{-1} (z - \tau m)

    Args:
        mean: m.
        covariance: P.
    """
    unit = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)

    def velocity(state: Tensor, tau: float) -> Tensor:
        spread = tau**2 * covariance + (1 - tau) ** 2 * unit
        gain = torch.linalg.solve(spread, tau * covariance - (1 - tau) * unit)
        return mean + (state - tau * mean) @ gain

    return velocity
