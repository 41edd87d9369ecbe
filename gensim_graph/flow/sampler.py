"""Sampling: integrate dz/dtau = v(z, tau) from noise at flow time 0 to a sample at 1, within the bounds of the state.

Every evaluation clips the predicted end point ``z + (1 - tau) v`` to the bounds and takes the velocity to it, so that
no trajectory ends outside. The last step, of Euler, ends there: n steps of Heun need 2 n - 1 evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from gensim_graph.errors import Rule, at_least, check_values
from gensim_graph.flow.censoring import Bounds
from gensim_graph.flow.schedule import sigmoid_schedule
from gensim_graph.typing import Float, Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""Velocity v(z, tau) of the flow."""

BoundsOf = Callable[[Tensor], Bounds]
"""Bounds of the end point that depend on the end point itself."""


@dataclass(frozen=True)
class SamplerConfig:
    """Steps and method of the integration.

    Attributes:
        steps: number of steps. Fewer steps are faster and less accurate; six are as good as twenty
            (docs/decisions/0003-six-steps.md).
        method: ``euler`` (order 1, one evaluation in each step), ``midpoint`` or ``heun`` (order 2, two evaluations).
        scale, shift: form of the :func:`~gensim_graph.flow.schedule.sigmoid_schedule`.

    Raises:
        InputError: a value outside its range, or an unknown method.

    Example:
        >>> import gensim_graph as gg
        >>> gg.SamplerConfig(steps=10, method="midpoint")
        SamplerConfig(steps=10, method='midpoint', scale=3.0, shift=0.5)
        >>> gg.SamplerConfig(method="rk4")
        Traceback (most recent call last):
        gensim_graph.errors.InputError: sampler.method: expected one of euler, midpoint, heun; came 'rk4'
    """

    steps: int = 6
    method: str = "heun"
    scale: float = 3.0
    shift: float = 0.5

    @property
    def evaluations(self) -> int:
        """Evaluations of the velocity in one integration; the last step is one of Euler."""
        return self.steps if self.method == "euler" else 2 * self.steps - 1

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {
            "steps": at_least(1),
            "method": (lambda came: came in STEPS, f"one of {', '.join(STEPS)}"),
            "scale": at_least(0),
            "shift": (isfinite, "a finite number"),
        }
        check_values(self, "sampler", rules)


def sample(
    velocity: Velocity,
    noise: Float[Tensor, "*shape"],
    config: SamplerConfig | None = None,
    bounds: Bounds | BoundsOf | None = None,
    bounds_every: int = 3,
) -> Float[Tensor, "*shape"]:
    """Integrate the flow from ``noise``.

    Args:
        velocity: function v(z, tau); z and its result have the shape of ``noise``.
        noise: z at flow time 0, standard normal.
        config: steps and method; None takes the defaults.
        bounds: bounds of z at flow time 1, broadcast against z, or a function that returns those of an end point; None
            for no bounds.
        bounds_every: flow times from one computation of bounds that are a function to the next.

    Returns:
        z at flow time 1, within the bounds.

    Example:
        The flow from N(0, 1) to N(3, 2^2) has a velocity in closed form and carries z to 3 + 2 z:

        >>> import torch
        >>> from gensim_graph.flow import Bounds, SamplerConfig, sample
        >>> def velocity(z, tau):
        ...     variance = 4 * tau**2 + (1 - tau) ** 2
        ...     return 3 + (4 * tau - (1 - tau)) / variance * (z - 3 * tau)
        >>> noise = torch.tensor([-1.0, 0.0, 1.0])
        >>> sample(velocity, noise, SamplerConfig(steps=50)).round(decimals=2)
        tensor([1., 3., 5.])
        >>> sample(velocity, noise, bounds=Bounds(torch.tensor(2.0), torch.tensor(4.0))).round(decimals=2)
        tensor([2., 3., 4.])
    """
    config = config or SamplerConfig()
    step = STEPS[config.method]
    knots = sigmoid_schedule(config.steps, config.scale, config.shift).tolist()
    if bounds is None:
        return _integrated(velocity, noise, knots, step)

    bounds_of: BoundsOf = (lambda _: bounds) if isinstance(bounds, Bounds) else bounds
    end = _integrated(_within(velocity, bounds_of, bounds_every), noise, knots, step)
    return bounds_of(end).clip(end)


def _integrated(velocity: Velocity, state: Tensor, knots: list[float], step: "Integration") -> Tensor:
    """Integrate over flow times; the last step is one of Euler.

    Args:
        velocity: function v(z, tau).
        state: z at the first flow time.
        knots: flow times.
        step: method of the other steps.
    """
    for start, end in pairwise(knots[:-1]):
        state = step(velocity, state, start, end)
    return _euler(velocity, state, knots[-2], 1.0)


def _within(velocity: Velocity, bounds_of: BoundsOf, every: int) -> Velocity:
    """Velocity that leads to the clipped end point.

    Bounds that depend on the end point cost more than they change from one flow time to the next: they are not computed
    at each. The sample itself is clipped to its own bounds in the end.

    Args:
        velocity: function v(z, tau).
        bounds_of: bounds of an end point.
        every: flow times from one computation of the bounds to the next.
    """
    seen: set[float] = set()  # Heun's method comes to a flow time twice
    bounds: list[Bounds] = []

    def bounded(state: Tensor, tau: float) -> Tensor:
        free = state + (1 - tau) * velocity(state, tau)
        if tau not in seen:
            if len(seen) % every == 0:
                bounds[:] = [bounds_of(free)]
            seen.add(tau)
        return (bounds[0].clip(free) - state) / (1 - tau)

    return bounded


def _euler(velocity: Velocity, state: Tensor, start: float, end: float) -> Tensor:
    return state + (end - start) * velocity(state, start)


def _midpoint(velocity: Velocity, state: Tensor, start: float, end: float) -> Tensor:
    middle = (start + end) / 2
    return state + (end - start) * velocity(_euler(velocity, state, start, middle), middle)


def _heun(velocity: Velocity, state: Tensor, start: float, end: float) -> Tensor:
    """Explicit trapezoidal rule."""
    first = velocity(state, start)
    second = velocity(state + (end - start) * first, end)
    return state + (end - start) / 2 * (first + second)


Integration = Callable[[Velocity, Tensor, float, float], Tensor]
"""Integration of z from one flow time to another."""

STEPS: dict[str, Integration] = {"euler": _euler, "midpoint": _midpoint, "heun": _heun}
"""Integration methods by name: from ``start`` to ``end`` in flow time."""
