"""Budget of a step: how much of the change of ice and snow is transport by the drift, and how much the model adds.

    s(t + lead) - s(t) = transport + source,    transport = T(s(t); u(t), u(t + lead)) - s(t)

The transport is conservative (:mod:`gensim_graph.transport`), so its sum over a closed domain is zero; the source is
growth, melt, and what the rules for states that can exist have moved.
"""

from dataclasses import replace

import torch

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.transport import plan_state_transport, transported_names
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_HOUR
from gensim_graph.variables import Variable

_PARTS = {"transport": "change by transport with the drift in one step", "source": "change by sources in one step"}


def budget_variables(model: Surrogate) -> list[Variable]:
    """Return the terms of the budget as variables: transport and source of each conserved amount.

    Args:
        model: the surrogate.

    Raises:
        InputError: the model forecasts no drift or no conserved amount.
    """
    return [
        replace(one, name=f"{one.name}_{part}", long_name=f"{one.long_name}: {text}", standard_name="")
        for one in _amounts(model)
        for part, text in _PARTS.items()
    ]


def _amounts(model: Surrogate) -> list[Variable]:
    forecast = [one for _, one in model.forecast_variables]
    names = transported_names(forecast, [one.name for one in forecast])
    amounts = [one for one in forecast if one.name in names and one.conserved]
    if not amounts:
        raise InputError("budget: needs a model that forecasts the drift and a conserved amount such as 'sit'")

    return amounts


class StepBudget:
    """Computes the terms of the budget, in the order of :func:`budget_variables`.

    Args:
        model: the surrogate.
        mesh: mesh of the forecast.

    Raises:
        InputError: see :func:`budget_variables`.
    """

    def __init__(self, model: Surrogate, mesh: Mesh) -> None:
        state, amounts = model.normaliser.table.state, [one.name for one in _amounts(model)]
        seconds = model.normaliser.statistics.lead_hours * SECONDS_PER_HOUR
        self._transport = plan_state_transport(mesh, state, amounts, seconds).to(model.device)
        self._channels = [channel for channel, one in enumerate(state) if one.name in amounts]

    def beside(
        self, after: Float[Tensor, "member face state"], before: Float[Tensor, "member face state"] | None
    ) -> Float[Tensor, "member face channel"]:
        """Return a state with the terms of its budget as further channels; NaN for an initial state.

        Args:
            after: state at the end of the step.
            before: state at its start; None if ``after`` is an initial state.
        """
        if before is None:
            nothing = torch.full_like(after[..., :1], torch.nan)
            return torch.cat([after, nothing.expand(-1, -1, 2 * len(self._channels))], dim=-1)

        moved = self._transport.moved(before, after)[..., self._channels]
        transport = moved - before[..., self._channels]
        source = after[..., self._channels] - moved
        terms = torch.stack([transport, source], dim=-1).flatten(-2)

        return torch.cat([after, terms], dim=-1)
