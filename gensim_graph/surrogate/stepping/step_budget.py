"""Budget of a step: how much of the change of ice and snow is transport by the drift, and how much the model adds.

    s(t + lead) - s(t) = transport + source,    transport = T(s(t); u(t), u(t + lead)) - s(t)

``T`` is the transport that the model uses in its steps (:mod:`gensim_graph.transport`), with the drift of the forecast
at both ends of the step. It is conservative: in a closed domain its sum is zero. The source is everything else: what
the network predicts as growth, melt and correction, and what bounds, rules for states that can exist, and observations
change. It is computed as the remainder, so that both make up the change of the written states up to rounding.

Only conserved amounts (ice, snow) have a budget. Concentration has none: where ice ridges, its total changes without a
source, and a remainder would not be growth.
"""

import logging
from dataclasses import dataclass, fields

import torch

from gensim_graph.data import Normaliser
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate.mirror_image import mirrored_vectors
from gensim_graph.transport import plan_state_transport, transported_names
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_HOUR
from gensim_graph.variables import Variable

log = logging.getLogger(__name__)

_PARTS = {"transport": "change by transport with the drift in one step", "source": "change by sources in one step"}
_OWN = "growth, melt and correction that the network predicts, and what bounds and rules change"
_DIAGNOSED = "all that a conservative transport by the drift does not explain; the model was trained without transport"


@dataclass(frozen=True)
class BudgetTerm(Variable):
    """Transport or source of an amount of ice, as a variable of a forecast.

    Attributes:
        seconds: length of the step over which the amount changes.
        meaning: what the source contains.
    """

    seconds: int = 0
    meaning: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes, and the length of the step as a duration of ISO 8601."""
        step = f"{self.seconds / SECONDS_PER_HOUR:g} h"
        comment = f"in the step of {step} that ends at the lead time; NaN at lead time 0. Source: {self.meaning}"
        return {**super().attrs, "comment": comment, "interval": f"PT{self.seconds}S"}


def budget_variables(normaliser: Normaliser) -> list[tuple[int, Variable]]:
    """Return the terms of the budget, each with its channel behind those of the state.

    Args:
        normaliser: of the model.

    Returns:
        Transport and source of each conserved amount, such as ``sit_transport`` and ``sit_source``.

    Raises:
        InputError: the model forecasts no drift or no conserved amount.
    """
    seconds = round(normaliser.statistics.lead_hours * SECONDS_PER_HOUR)
    meaning = _OWN if normaliser.statistics.transported else _DIAGNOSED
    terms = [_term(one, part, text, seconds, meaning) for one in _amounts(normaliser) for part, text in _PARTS.items()]
    return list(enumerate(terms, start=len(normaliser.table.state)))


def _term(amount: Variable, part: str, text: str, seconds: int, meaning: str) -> Variable:
    """One term of the budget of an amount; it may be negative and has no standard name."""
    given = {one.name: getattr(amount, one.name) for one in fields(Variable)}
    words = f"{amount.long_name or amount.name}: {text}"
    changed = {"name": f"{amount.name}_{part}", "long_name": words, "standard_name": "", "lower": -float("inf")}
    return BudgetTerm(**(given | changed), seconds=seconds, meaning=meaning)


def _amounts(normaliser: Normaliser) -> list[Variable]:
    """Conserved amounts that the drift moves.

    Args:
        normaliser: of the model.

    Raises:
        InputError: there are none.
    """
    table, statistics = normaliser.table.state, normaliser.statistics
    names = [one.name for one, present in zip(table, statistics.present(table).tolist(), strict=True) if present]
    moving = statistics.transported or transported_names(table, names)
    amounts = [one for one in table if one.name in moving and one.name in names and one.amount and one.conserved]

    if not amounts:
        raise InputError(
            "budget: needs a model that forecasts the drift and a conserved amount such as 'sit'; this one forecasts "
            f"{', '.join(names)}. Forecast without --budget (budget=False), or train a model with these variables"
        )

    return amounts


class StepBudget:
    """Computes the terms of the budget of a step, in the order of :func:`budget_variables`.

    It costs one transport, about as much as a hundredth of a step.

    Args:
        normaliser: of the model.
        plan: of the model for the mesh; it holds the transport of the steps. A model that was trained without transport
            gets one here, and a warning in the log.
        mesh: mesh of the forecast.

    Raises:
        InputError: see :func:`budget_variables`.
    """

    def __init__(self, normaliser: Normaliser, plan: GraphPlan, mesh: Mesh) -> None:
        table, names = normaliser.table.state, [one.name for one in _amounts(normaliser)]
        self._variables = table
        self._channels = [channel for channel, one in enumerate(table) if one.name in names]
        self._device = normaliser.device
        self._is_mirrored = plan.is_mirrored and plan.transport is not None

        seconds = normaliser.statistics.lead_hours * SECONDS_PER_HOUR
        if plan.transport is None:
            log.warning(
                "budget: the model was trained without transport. Its transport is estimated from its drift, and the "
                "source contains everything else; train it with data.transport=true for a budget of the step itself"
            )
        self._transport = plan.transport or plan_state_transport(mesh, table, names, seconds).to(self._device)

    def beside(
        self, after: Float[Tensor, "member face state"], before: Float[Tensor, "member face state"] | None
    ) -> Float[Tensor, "member face channel"]:
        """Return a state with the terms of its budget as further channels; NaN for an initial state.

        Args:
            after: state at the end of the step, in the units of the variable table.
            before: state at its start; None if ``after`` is an initial state.
        """
        after = after.to(self._device)
        if before is None:
            nothing = torch.full_like(after[..., :1], torch.nan)
            return torch.cat([after, nothing.expand(-1, -1, 2 * len(self._channels))], dim=-1)

        # Outside of the recorded step, by the same tables and numbers as in it. Amounts are the same in both frames.
        before = before.to(self._device)
        moved = self._transport.moved(*(self._in_frame(one) for one in (before, after)))
        columns = [one.unbind(-1) for one in (before, moved, after)]

        terms = []
        for channel in self._channels:
            start, carried, end = (one[channel] for one in columns)
            terms += [carried - start, end - carried]

        return torch.cat([after, torch.stack(terms, dim=-1)], dim=-1)

    def beside_in_batches(
        self, after: Float[Tensor, "member face state"], before: Float[Tensor, "member face state"], batch: int
    ) -> Float[Tensor, "member face channel"]:
        """Return states with the terms of their budget, on the processor, as :meth:`beside`.

        Args:
            after: as in :meth:`beside`.
            before: as in :meth:`beside`.
            batch: members computed together.
        """
        pairs = zip(after.split(batch), before.split(batch), strict=True)
        return torch.cat([self.beside(*pair).cpu() for pair in pairs])

    def _in_frame(self, state: Float[Tensor, "member face state"]) -> Float[Tensor, "member face state"]:
        return mirrored_vectors(state, self._variables) if self._is_mirrored else state
