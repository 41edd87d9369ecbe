"""From noise to a sample: integrate dz/dtau = v(z, tau) from 0 to 1 and stay within the bounds.

At every evaluation the predicted end point ``z + (1 - tau) v`` is clipped into the bounds and the velocity taken
towards the clipped point, so that no trajectory ends outside. The last step is one of Euler, which lands on the
clipped point itself: 2 n - 1 evaluations for n Heun steps.
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
"""v(z, tau)."""


@dataclass(frozen=True)
class SamplerConfig:
    """How to integrate.

    Attributes:
        steps: number of steps; fewer is faster and rougher. Six are as good as twenty
            (docs/decisions/0003-six-steps.md).
        method: ``euler`` (order 1, one evaluation a step), ``midpoint`` or ``heun`` (order 2, two evaluations).
        scale, shift: of :func:`~gensim_graph.flow.schedule.sigmoid_schedule`.

    Raises:
        InputError: a value that makes no sense.
    """

    steps: int = 6
    method: str = "heun"
    scale: float = 3.0
    shift: float = 0.5

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
    bounds: Bounds | None = None,
) -> Float[Tensor, "*shape"]:
    """Integrate the flow from ``noise``.

    Args:
        velocity: v(z, tau) with z like ``noise``.
        noise: z at flow time 0.
        config: steps and method.
        bounds: bounds of the end point, broadcast against z; None for none.

    Returns:
        z at flow time 1, within the bounds.
    """
    config = config or SamplerConfig()
    step = STEPS[config.method]
    knots = sigmoid_schedule(config.steps, config.scale, config.shift).tolist()
    bounded = velocity if bounds is None else _within(velocity, bounds)
    state = noise
    for now, then in pairwise(knots[:-1]):
        state = step(bounded, state, now, then)

    state = _euler(bounded, state, knots[-2], 1.0)
    return state if bounds is None else bounds.clip(state)


def _within(velocity: Velocity, bounds: Bounds) -> Velocity:
    def bounded(state: Tensor, tau: float) -> Tensor:
        end = bounds.clip(state + (1 - tau) * velocity(state, tau))
        return (end - state) / (1 - tau)

    return bounded


def _euler(velocity: Velocity, state: Tensor, now: float, then: float) -> Tensor:
    return state + (then - now) * velocity(state, now)


def _midpoint(velocity: Velocity, state: Tensor, now: float, then: float) -> Tensor:
    middle = (now + then) / 2
    return state + (then - now) * velocity(_euler(velocity, state, now, middle), middle)


def _heun(velocity: Velocity, state: Tensor, now: float, then: float) -> Tensor:
    """Explicit trapezoidal rule."""
    first = velocity(state, now)
    second = velocity(state + (then - now) * first, then)
    return state + (then - now) / 2 * (first + second)


STEPS = {"euler": _euler, "midpoint": _midpoint, "heun": _heun}
