r"""Where ice comes from: its volume budget, split into what the drift does and the rest.

Over an interval, for the volume per area h (or snow, or concentration), with fluxes at both ends of it averaged:

.. math:: \frac{\Delta h}{\Delta t} = \underbrace{-u \cdot \nabla h}_{advection} \underbrace{- h \nabla \cdot u}_{
    convergence} + rest, \qquad dynamics = advection + convergence = -\nabla \cdot (h u)

(Holland and Kwok 2012, doi 10.1038/ngeo1533). The rest is growth and melt, and what the estimate misses: drift that
changes within the interval, and sharp edges. Where the truth has no thermodynamics, its rest is that error; for
concentration it also holds ridging, which closes no water.

Over the whole domain dynamics is what comes in through the open boundary, exactly; so with closed sides and without
thermodynamics the sum of the rest says how well a model conserves its ice.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Transport
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

CARRIED = {"sit": "km3", "snt": "km3", "sic": "km2"}
"""What has a budget, and the units of its amount."""

_PER_AREA = {"km3": 1e-9, "km2": 1e-6}
BUDGET_COLUMNS = (
    *("model", "lead_hours", "variable", "amount", "change", "dynamics", "rest"),
    *("rms_change", "rms_dynamics", "rms_rest", "correlation"),
)


class Tendency(NamedTuple):
    """What the drift does to a field at an instant, (F, M), units of the field per s.

    Attributes:
        field: the field itself.
        dynamics: -div(q u).
        convergence: -q div u.
    """

    field: Array
    dynamics: Array
    convergence: Array


class Budget(NamedTuple):
    """Terms of a budget, (F, M), units of the field per day."""

    change: Array
    dynamics: Array
    convergence: Array

    @property
    def advection(self) -> Array:
        """-u . grad q."""
        return self.dynamics - self.convergence

    @property
    def rest(self) -> Array:
        """What the drift does not explain."""
        return self.change - self.dynamics


def tendencies(transport: Transport, u: Array, v: Array, fields: Mapping[str, Array]) -> dict[str, Tendency]:
    """Tendencies of some fields (M, F) in a drift (M, F), m/s."""
    divergence, carried = transport.terms(u, v, [*fields.values()])
    return {
        name: Tendency(field.T, -flux, -field.T * divergence)
        for (name, field), flux in zip(fields.items(), carried, strict=True)
    }


def budget(before: Tendency, after: Tendency, seconds: float) -> Budget:
    """Budget of a field between two instants, ``seconds`` apart; the earlier one may have a single member."""
    half = SECONDS_PER_DAY / 2
    return Budget(
        (after.field - before.field) * (SECONDS_PER_DAY / seconds),
        half * (before.dynamics + after.dynamics),
        half * (before.convergence + after.convergence),
    )


def volume_budget(dataset: xr.Dataset, name: str = "sit", mesh: Mesh | None = None) -> xr.Dataset:
    """Budget of a variable of a forecast or a truth, as maps.

    Args:
        dataset: the variable, ``siu`` and ``siv`` of dims ([member], lead_time or time, face).
        name: the variable, ice volume per area by default.
        mesh: the mesh in the dataset when not given.

    Returns:
        ``change``, ``advection``, ``convergence``, ``dynamics`` and ``rest`` in units of the variable per day; times
        are the ends of the intervals.

    Raises:
        InputError: a variable is missing.
    """
    for needed in (name, "siu", "siv"):
        if needed not in dataset:
            raise InputError(f"volume budget: '{needed}' is missing; it needs {name}, siu and siv")

    transport = Transport(mesh or mesh_from_dataset(dataset))
    time = "lead_time" if "lead_time" in dataset[name].dims else "time"
    data = {
        key: dataset[var].transpose(..., time, "face") for key, var in zip("fuv", (name, "siu", "siv"), strict=True)
    }
    shape = data["f"].shape
    flat = {key: field.values.reshape(-1, *shape[-2:]) for key, field in data.items()}
    times = dataset[time].values

    instants = [
        tendencies(transport, flat["u"][:, at], flat["v"][:, at], {name: flat["f"][:, at]})[name]
        for at in range(len(times))
    ]
    seconds = np.diff(times) / np.timedelta64(1, "s")
    found = [budget(*pair, float(length)) for pair, length in zip(pairwise(instants), seconds, strict=True)]
    frame, units = data["f"].isel({time: slice(1, None)}), f"{dataset[name].attrs.get('units', '1')} day-1"
    terms = ("change", "advection", "convergence", "dynamics", "rest")
    fields = {term: np.stack([getattr(each, term).T for each in found], axis=1).reshape(frame.shape) for term in terms}

    return xr.Dataset({term: frame.copy(data=values).assign_attrs(units=units) for term, values in fields.items()})


def budget_table(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Budgets of truth and forecasts, per lead time, means over members and starts.

    Returns:
        Columns ``BUDGET_COLUMNS``: amount in km3 (ice, snow) or km2 (area of ice); its change over the last interval, what
        came through the open boundary (``dynamics``) and the ``rest``, per day; the root mean squares of the local
        terms in units of the variable per day, and the correlation of local change and dynamics. Empty where there is
        no drift, no mesh, or the truth does not hold the starts.
    """
    return tabulate(models, BudgetTally(next(iter(models.values()))))


class BudgetTally(Tally):
    """Gathers :func:`budget_table`."""

    def __init__(self, matched: Verification) -> None:
        works = matched.mesh is not None and matched.has_start and matched.has("siu", "siv")
        self._transport = Transport(matched.mesh) if works and matched.mesh is not None else None
        self._rows: dict[tuple[str, float, str], list[Array]] = {}
        self._before: dict[str, dict[str, Tendency]] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if self._transport is None or step.before is None:
            return
        if step.lead == 0:
            self._before[step.model] = self._tendencies(step.before)

        now = self._tendencies(step)
        for name, tendency in now.items():
            terms = budget(self._before[step.model][name], tendency, step.seconds)
            self._rows.setdefault((step.model, step.hours, name), []).append(_summary(step, name, terms))

        self._before[step.model] = now

    def _tendencies(self, step: Step) -> dict[str, Tendency]:
        assert self._transport is not None
        fields = {name: step[name] for name in CARRIED if step.matched.has(name)}
        return tendencies(self._transport, step["siu"], step["siv"], fields)

    def table(self) -> pd.DataFrame:
        """See :func:`budget_table`."""
        rows = [(*key, *np.mean(values, axis=0)) for key, values in self._rows.items()]
        return by_model(pd.DataFrame(rows, columns=[*BUDGET_COLUMNS]))


def _summary(step: Step, name: str, terms: Budget) -> Array:
    """The numbers of a row, means over the members."""
    areas, units = step.matched.areas, _PER_AREA[CARRIED[name]]
    weights = areas / areas.sum()
    change, dynamics, rest = terms.change, terms.dynamics, terms.rest
    amounts = [units * float((areas @ part).mean()) for part in (step[name].T, change, dynamics, rest)]

    change_square, dynamics_square, rest_square, together = (
        float((weights.astype(change.dtype) @ part).mean())
        for part in (change**2, dynamics**2, rest**2, change * dynamics)
    )
    norm = np.sqrt(change_square * dynamics_square)
    roots = np.sqrt([change_square, dynamics_square, rest_square])

    return np.array([*amounts, *roots, together / norm if norm > 0 else np.nan])
