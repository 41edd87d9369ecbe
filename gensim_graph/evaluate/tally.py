"""One pass over forecasts and truth, start by start and lead time by lead time, in which every field is read once.

Each table of the evaluation is gathered by a :class:`Tally`. :func:`run_tallies` shows every :class:`Step` (the fields
of one model at one valid time) to all tallies. Only the fields of two lead times are in memory at once, however many
tallies there are and however long the forecast is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Deformation, GradientOperator, invariants
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

ICE_EDGE = 0.15
"""Concentration above which a face counts as ice, as in the definition of the ice extent."""

PACK = 0.80
"""Concentration from which on ice is pack ice and no longer in the marginal ice zone."""

TRUTH = "truth"
"""Name of the truth among the models."""


@dataclass(eq=False)
class Step:
    """The fields of one model at one valid time, read on first use: ``step["sic"]``.

    Attributes:
        model: name of the model; ``truth`` for the truth, which has one member.
        matched: the forecast beside the truth, from which the fields are read.
        start: number of the start.
        lead: number of the lead time; -1 for the initial state, which is the truth.
        truth: step of the truth at the same time; None if this step is the truth itself.
        before: step of the same model one lead time earlier; None if the truth does not contain the start.
        operator: gradients on the mesh; None without a mesh.
    """

    model: str
    matched: Verification
    start: int
    lead: int
    truth: "Step | None" = None
    before: "Step | None" = None
    operator: GradientOperator | None = None
    _fields: dict[str, Array] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> Array:
        """Return the values (member, face) of a variable, in its units."""
        if name not in self._fields:
            self._fields[name] = self._read(name)
        return self._fields[name]

    def _read(self, name: str) -> Array:
        if self.lead < 0:
            return self.matched.initial(name, self.start)[None]
        if self.truth is None:
            return self.matched.truth_at(name, self.start, self.lead)[None]
        return self.matched.ensemble_at(name, self.start, self.lead)

    @property
    def is_truth(self) -> bool:
        """True if this is a step of the truth."""
        return self.truth is None

    @property
    def hours(self) -> float:
        """Lead time, h."""
        return float(self.matched.lead_hours[self.lead])

    @property
    def seconds(self) -> float:
        """Time since the step before, s."""
        earlier = self.matched.lead_hours[self.lead - 1] if self.lead else 0.0
        return float(self.matched.lead_hours[self.lead] - earlier) * SECONDS_PER_HOUR

    @property
    def mesh(self) -> Mesh:
        """The mesh.

        Raises:
            InputError: neither the forecast nor the truth contains its mesh.
        """
        if self.matched.mesh is None:
            raise InputError("this score needs the mesh; write its topology (UGRID) into the forecast or the truth")
        return self.matched.mesh

    @cached_property
    def ice(self) -> Array:
        """True where the truth has a concentration above 15 % (face,); True everywhere if it has no concentration."""
        if self.truth is not None:
            return self.truth.ice
        if not self.matched.has("sic"):
            return np.ones(len(self.matched.areas), dtype=bool)
        return self["sic"][0] > ICE_EDGE

    @cached_property
    def gradient(self) -> Array:
        """Gradient of the drift (2, 2, member, face), [[u_x, u_y], [v_x, v_y]] along the axes of the plane, 1/day."""
        assert self.operator is not None
        return self.operator(self["siu"], self["siv"]) * SECONDS_PER_DAY

    @cached_property
    def rates(self) -> Deformation:
        """Deformation rates of the drift (member, face), 1/day."""
        return invariants(self.gradient)


class Tally(ABC):
    """Sums over all steps, from which a table is made in the end."""

    @abstractmethod
    def add(self, step: Step) -> None:
        """Add a step. At each valid time the truth comes first, then the models; lead times come in order."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Return the table of all steps so far."""


def run_tallies(
    models: Mapping[str, Verification], tallies: Sequence[Tally], on_lead: Callable[[], object] | None = None
) -> None:
    """Show every step of the truth and of all models to the tallies.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        tallies: they collect the steps, in place.
        on_lead: called after every lead time of every start, for a progress bar.

    Raises:
        InputError: a value is not finite.
    """
    first = next(iter(models.values()))
    operator = GradientOperator(first.mesh) if first.mesh is not None else None

    for start in range(first.starts):
        initial = Step(TRUTH, first, start, -1, operator=operator) if first.has_start else None
        before: dict[str, Step | None] = dict.fromkeys((TRUTH, *models), initial)

        for lead in range(len(first.lead_hours)):
            truth = Step(TRUTH, first, start, lead, None, before[TRUTH], operator)
            steps = [truth]
            steps += [
                Step(name, matched, start, lead, truth, before[name], operator) for name, matched in models.items()
            ]

            for step in steps:
                for tally in tallies:
                    tally.add(step)

            for step in steps:
                before[step.model] = step
                step.before = None  # otherwise the chain of steps keeps the whole forecast in memory

            if on_lead:
                on_lead()


def tabulate(models: Mapping[str, Verification], tally: Tally) -> pd.DataFrame:
    """Run one tally over all steps and return its table.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        tally: it collects the steps, in place.

    Raises:
        InputError: a value is not finite.

    Example:
        A tally of one's own, the mean thickness of each model:

        >>> import numpy as np, pandas as pd, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import Tally, match_models, persistence
        >>> from gensim_graph.evaluate.tally import tabulate
        >>> class MeanThickness(Tally):
        ...     def __init__(self):
        ...         self.rows = []
        ...     def add(self, step):
        ...         mean = float(step["sit"].mean(axis=0) @ step.matched.weights)
        ...         self.rows.append((step.model, step.hours, mean))
        ...     def table(self):
        ...         return pd.DataFrame(self.rows, columns=["model", "lead_hours", "thickness"])
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> truth = xr.Dataset({"sit": (("time", "face"), [[1.0, 2.0], [1.0, 3.0]])}, {"time": times})
        >>> forecast = persistence(truth.isel(time=0), [np.timedelta64(12, "h")])
        >>> models = match_models(forecast, truth, gg.default_variables(), areas=np.array([1e6, 3e6]))
        >>> tabulate(models, MeanThickness())
              model  lead_hours  thickness
        0     truth        12.0       2.50
        1  forecast        12.0       1.75
    """
    run_tallies(models, [tally])
    return tally.table()


def by_model(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by model, in the order in which the models first appear; the order within a model stays."""
    order = {name: number for number, name in enumerate(table["model"].unique())}
    return table.iloc[table["model"].map(order).argsort(kind="stable")].reset_index(drop=True)
