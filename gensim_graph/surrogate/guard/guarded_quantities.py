"""Quantities that the guard compares with the training data: every variable, and every vector as one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gensim_graph.data import Statistics
from gensim_graph.variables import Variable, vector_pairs


@dataclass(frozen=True)
class GuardedQuantity:
    """A variable, or the magnitude of a vector, with its range and its moments in the training data.

    Attributes:
        name: of the variable; of a vector, the names of both components, joined by ``_``.
        words: its meaning.
        units: its units.
        channels: channel of the variable, or both channels of the vector.
        smallest: smallest value in the training data; 0 for a vector.
        largest: largest value in the training data.
        mean: mean of the training data; 0 for a vector.
        deviation: standard deviation of the training data; of a vector, that of a component.
        reach: largest positions of values above and below the range that the bounds of the variable allow.
    """

    name: str
    words: str
    units: str
    channels: tuple[int, ...]
    smallest: float
    largest: float
    mean: float
    deviation: float
    reach: tuple[float, float]

    @property
    def width(self) -> float:
        """Width of the range."""
        return self.largest - self.smallest

    def value(self, position: float, is_above: bool) -> float:
        """Return the value at a position.

        Args:
            position: from the smallest value upwards, or from the largest downwards.
            is_above: True for the former.
        """
        return self.smallest + position * self.width if is_above else self.largest - position * self.width


def guarded_quantities(variables: Sequence[Variable], statistics: Statistics) -> list[GuardedQuantity]:
    """Return the quantities of some variables; those without a range or with a single value are left out.

    Args:
        variables: in the order of the channels.
        statistics: of the training data.
    """
    second = {y: x for x, y in vector_pairs(variables)}
    quantities = []

    for channel, variable in enumerate(variables):
        smallest, largest = statistics.ranges.get(variable.name, (math.nan, math.nan))
        if variable.name not in statistics.values or not largest > smallest or channel in second:
            continue
        if channel in second.values():
            quantities.append(_vector(channel, variable, variables[channel + 1], statistics))
        else:
            quantities.append(_scalar(channel, variable, statistics))

    return quantities


def _scalar(channel: int, variable: Variable, statistics: Statistics) -> GuardedQuantity:
    (smallest, largest), (mean, deviation) = statistics.ranges[variable.name], statistics.values[variable.name]
    width = largest - smallest
    reach = ((variable.upper - smallest) / width, (largest - variable.lower) / width)
    words = variable.long_name or variable.name

    return GuardedQuantity(variable.name, words, variable.units, (channel,), smallest, largest, mean, deviation, reach)


def _vector(channel: int, x: Variable, y: Variable, statistics: Statistics) -> GuardedQuantity:
    fastest, deviation = statistics.ranges[x.name][1], statistics.values[x.name][1]
    return GuardedQuantity(
        f"{x.name}_{y.name}",
        f"magnitude of {x.name}, {y.name}",
        x.units,
        (channel, channel + 1),
        0.0,
        fastest,
        0.0,
        deviation,
        (math.inf, 1.0),
    )
