"""One pass over forecasts and truth: start by start, one lead step at a time, each field read once.

Every table of the evaluation is a :class:`Tally` that sees each :class:`Step`. However many tallies take part, and
however long the forecast is, the fields of two lead times are in memory.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Deformation, GradientOperator, invariants
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

ICE_EDGE = 0.15
"""Concentration from which on there is ice, as the extent is defined."""

TRUTH = "truth"
"""Name of the truth among the models."""


@dataclass(eq=False)
class Step:
    """The fields of one model at one instant, read when they are asked for.

    Attributes:
        model: its name, or ``truth``, which has one member.
        matched: where the fields come from.
        start: number of the forecast.
        lead: number of the lead time; -1 for the initial state, which is the truth.
        truth: the truth at that instant; None for the truth itself.
        before: the same model one lead time earlier; None where the truth does not hold the start of the forecast.
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
        """Values (member, face) of a variable, in its units."""
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
        """Whether this is the truth."""
        return self.truth is None

    @property
    def hours(self) -> float:
        """Lead time, h."""
        return float(self.matched.lead_hours[self.lead])

    @property
    def seconds(self) -> float:
        """Time since the step before, s."""
        earlier = self.matched.lead_hours[self.lead - 1] if self.lead else 0.0
        return float(self.matched.lead_hours[self.lead] - earlier) * 3600.0

    @property
    def mesh(self) -> Mesh:
        """The mesh.

        Raises:
            InputError: there is none.
        """
        if self.matched.mesh is None:
            raise InputError("this score needs the mesh; write its topology (UGRID) into the forecast or the truth")
        return self.matched.mesh

    @cached_property
    def ice(self) -> Array:
        """Where the truth has ice (face), concentration above 15 %; everywhere where it has no concentration."""
        if self.truth is not None:
            return self.truth.ice
        if not self.matched.has("sic"):
            return np.ones(len(self.matched.areas), dtype=bool)
        return self["sic"][0] > ICE_EDGE

    @cached_property
    def gradient(self) -> Array:
        """Gradient of the drift (2, 2, member, face), [[u_x, u_y], [v_x, v_y]] in 1/day."""
        assert self.operator is not None
        return self.operator(self["siu"], self["siv"]) * SECONDS_PER_DAY

    @cached_property
    def rates(self) -> Deformation:
        """Deformation of the drift (member, face), 1/day."""
        return invariants(self.gradient)


class Tally(ABC):
    """What is gathered over all steps and becomes a table."""

    @abstractmethod
    def add(self, step: Step) -> None:
        """See a step. At each instant the truth comes first, then the models; leads follow each other."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """What has been gathered."""


def take_stock(
    models: Mapping[str, Verification], tallies: Sequence[Tally], on_lead: Callable[[], object] | None = None
) -> None:
    """Show every step of the truth and of all models to the tallies.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        tallies: they change.
        on_lead: called after every lead time of every start, for a progress bar.

    Raises:
        InputError: values that are not finite.
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
                step.before = None  # or the whole forecast stays in memory

            if on_lead:
                on_lead()


def tabulate(models: Mapping[str, Verification], tally: Tally) -> pd.DataFrame:
    """The table of one tally."""
    take_stock(models, [tally])
    return tally.table()


def by_model(table: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by model, in the order in which the models come first."""
    order = {name: number for number, name in enumerate(table["model"].unique())}
    return table.iloc[table["model"].map(order).argsort(kind="stable")].reset_index(drop=True)
