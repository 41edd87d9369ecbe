"""Variables in which a forecast keeps what the guard has measured: a few numbers for each member and lead time."""

from collections.abc import Sequence
from dataclasses import dataclass

from gensim_graph.surrogate.guard.extrapolated_growth import STEPS_AHEAD
from gensim_graph.surrogate.guard.guarded_quantities import GuardedQuantity

GUARD_PREFIX = "guard_"
"""Names of variables of the guard begin with it."""

GUARD_DIMENSION = "guard_measure"
"""Last dimension of these variables; its coordinate names the numbers."""

GUARD_MEASURES = {
    "beyond": "largest distance of a cell beyond the range of the training data, in widths of the range; 0 within",
    "ahead": f"the same, extrapolated by {STEPS_AHEAD} steps; forcing is not extrapolated",
    "mean": "distance of the mean over the domain from that of the training data, in standard deviations of the latter",
    "deviation": "standard deviation over the domain, divided by that of the training data",
}
"""Name of each number -> its meaning."""


@dataclass(frozen=True)
class GuardField:
    """A variable of the guard.

    Attributes:
        name: of the variable.
        attrs: CF attributes, and range and moments of the training data.
    """

    name: str
    attrs: dict[str, str | float]


def guard_fields(quantities: Sequence[GuardedQuantity]) -> list[GuardField]:
    """Return the variable of each quantity."""
    return [GuardField(GUARD_PREFIX + one.name, _attrs(one)) for one in quantities]


def _attrs(quantity: GuardedQuantity) -> dict[str, str | float]:
    return {
        "long_name": f"distance of the {quantity.words} from the training data",
        "units": "1",
        "quantity": quantity.words,
        "training_minimum": quantity.smallest,
        "training_maximum": quantity.largest,
        "training_mean": quantity.mean,
        "training_deviation": quantity.deviation,
        "training_units": quantity.units,
    }
