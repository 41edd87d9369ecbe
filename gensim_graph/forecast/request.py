"""The forecast that a user asks for: length, size of the ensemble, and what is written."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.errors import InputError, check_count
from gensim_graph.surrogate import Surrogate, budget_variables
from gensim_graph.variables import Variable

YEAR = np.timedelta64(31_557_600, "s")
"""365.25 days."""


@dataclass(frozen=True)
class Request:
    """Length, ensemble and output of a forecast.

    Attributes:
        steps: number of forecast steps, one lead time each.
        members: number of ensemble members.
        seed: seed of the noise.
        every: number of steps from one written state to the next.
        variables: names of the written variables; empty for all variables that the model forecasts.
        budget: write transport and source of ice and snow in the last step, too.
        guard: compare the states with the training data, if the model knows their ranges.

    Raises:
        InputError: a value out of its range.
    """

    steps: int = 8
    members: int = 16
    seed: int = 0
    every: int = 1
    variables: tuple[str, ...] = ()
    budget: bool = False
    guard: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        for name, least in (("steps", 1), ("members", 1), ("every", 1), ("seed", 0)):
            check_count(f"forecast.{name}", getattr(self, name), least)

    def written_variables(self, model: Surrogate) -> list[tuple[int, Variable]]:
        """Return the written variables, each with its channel: of the state, then of the budget.

        Raises:
            InputError: a variable that the model does not forecast, or a budget without drift.
        """
        forecast = model.forecast_variables
        known = [variable.name for _, variable in forecast]
        unknown = [name for name in self.variables if name not in known]

        if unknown:
            raise InputError(f"variable '{unknown[0]}': this model forecasts {', '.join(known)}")

        wanted = self.variables or known
        written = [(channel, variable) for channel, variable in forecast if variable.name in wanted]
        return written + (budget_variables(model.normaliser) if self.budget else [])


def steps_of(years: float | int, lead_time: np.timedelta64) -> int:
    """Return the number of steps in a number of years of 365.25 days, at least one.

    Args:
        years: length of the forecast.
        lead_time: length of a step.

    Example:
        >>> import numpy as np
        >>> from gensim_graph.forecast import steps_of
        >>> steps_of(10, np.timedelta64(12, "h"))
        7305
    """
    return max(1, round(years * (YEAR / lead_time)))
