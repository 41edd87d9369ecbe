"""Table of the volume budgets of truth and forecasts: integrals over the domain, and magnitudes of the local terms."""

import numpy as np
import pandas as pd

from gensim_graph.evaluate.physics.budget import Budget, Tendency, budget, tendencies
from gensim_graph.evaluate.physics.written_budget import ESTIMATED_BUDGET, WRITTEN_BUDGET, written_terms
from gensim_graph.evaluate.tally import Step, Tally, by_model
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh.operators import Transport
from gensim_graph.typing import Array

BUDGET_UNITS = {"sit": "km3", "snt": "km3", "sic": "km2"}
"""Variables that have a budget -> units of their integral over the domain."""

_FROM_SI = {"km3": 1e-9, "km2": 1e-6}
_COLUMNS = (
    *("model", "lead_hours", "variable", "amount", "change", "dynamics", "rest"),
    *("rms_change", "rms_dynamics", "rms_rest", "correlation", "method"),
)


class BudgetTally(Tally):
    """Gather the budgets of truth and forecasts, per lead time.

    Nothing is gathered if there is no drift or no mesh, or if the truth does not contain the starts.

    Args:
        matched: the forecast beside the truth.
    """

    def __init__(self, matched: Verification) -> None:
        applies = matched.has_start and matched.has("siu", "siv")
        self._transport = Transport(matched.mesh) if applies and matched.mesh is not None else None
        self._rows: dict[tuple[str, float, str], list[Array]] = {}
        self._methods: dict[tuple[str, float, str], str] = {}
        self._before: dict[str, dict[str, Tendency]] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if self._transport is None or step.before is None:
            return

        if step.lead == 0:
            self._before[step.model] = _step_tendencies(self._transport, step.before)

        now = _step_tendencies(self._transport, step)
        for name, tendency in now.items():
            terms = budget(self._before[step.model][name], tendency, step.seconds)
            written = None if step.is_truth else written_terms(step.matched.forecast, name, step.seconds)
            if written:
                transport, source = (step[one].T for one in written)
                terms = terms.with_terms(transport, source, step.seconds)

            key = (step.model, step.hours, name)
            self._rows.setdefault(key, []).append(_summary(step, name, terms))
            self._methods[key] = WRITTEN_BUDGET if written else ESTIMATED_BUDGET

        self._before[step.model] = now

    def table(self) -> pd.DataFrame:
        """Return one row per model, lead time and variable, means over members and starts.

        Returns:
            Columns model, lead_hours, variable; amount in km3 (ice, snow) or km2 (area of ice), and per day its change
            over the last interval, the inflow through the open boundary (dynamics) and the rest; rms_change,
            rms_dynamics and rms_rest, root mean squares of the local terms in units of the variable per day; the
            correlation of local change and dynamics; and the method, ``written`` where dynamics and rest are transport
            and source that the forecast has written, else ``estimated``.
        """
        rows = [(*key, *np.mean(values, axis=0), self._methods[key]) for key, values in self._rows.items()]
        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))


def _step_tendencies(transport: Transport, step: Step) -> dict[str, Tendency]:
    fields = {name: step[name] for name in BUDGET_UNITS if step.matched.has(name)}
    return tendencies(transport, step["siu"], step["siv"], fields)


def _summary(step: Step, name: str, terms: Budget) -> Array:
    """Numbers of one row of the table, means over the members."""
    areas = step.matched.areas
    change, dynamics, rest = terms.change, terms.dynamics, terms.rest
    factor = _FROM_SI[BUDGET_UNITS[name]]
    integrals = [factor * float((areas @ part).mean()) for part in (step[name].T, change, dynamics, rest)]

    weights = (areas / areas.sum()).astype(change.dtype)
    squares = [float((weights @ part**2).mean()) for part in (change, dynamics, rest)]
    covariance = float((weights @ (change * dynamics)).mean())
    norm = np.sqrt(squares[0] * squares[1])
    correlation = covariance / norm if norm > 0 else np.nan

    return np.array([*integrals, *np.sqrt(squares), correlation])
