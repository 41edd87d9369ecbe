"""Where ice opens, ridges and heals: events told by what divergence, damage and thickness do together.

Over an interval, with the rates of change of thickness and damage and the mean divergence of its two ends:

======== ==============================================================================================
opening  divergence above a threshold, thickness falls, damage does not: a lead
ridging  divergence below minus the threshold, thickness rises: ice is piled up
healing  the ice neither opens nor closes, and its damage falls: it freezes together
======== ==============================================================================================

A model that has learnt the physics shows them together, in the same cells; one that predicts each field by itself, or
their mean, does not. Faces count where the truth has ice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.physics.deformation_rates import deformation
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

EVENTS = ("opening", "ridging", "healing")
EVENT_COLUMNS = ("model", "lead_hours", "event", "share", "truth_share", "detected", "false_alarms", "critical_success")


@dataclass(frozen=True)
class Thresholds:
    """From which on something happens.

    Attributes:
        divergence: 1/day.
        damage: 1/day.
        thickness: m/day.
    """

    divergence: float = 0.02
    damage: float = 0.01
    thickness: float = 0.01


def classify(
    divergence: Array, damage_rate: Array, thickness_rate: Array, thresholds: Thresholds | None = None
) -> dict[str, Array]:
    """Which event there is, name -> (..., F), from divergence in 1/day and changes per day; at most one of them."""
    at = thresholds or Thresholds()
    return {
        "opening": (divergence > at.divergence) & (thickness_rate < -at.thickness) & (damage_rate > -at.damage),
        "ridging": (divergence < -at.divergence) & (thickness_rate > at.thickness),
        "healing": (np.abs(divergence) <= at.divergence) & (damage_rate < -at.damage),
    }


def detect_events(dataset: xr.Dataset, mesh: Mesh | None = None, thresholds: Thresholds | None = None) -> xr.Dataset:
    """Events in a forecast or a truth.

    Args:
        dataset: ``sit``, ``sid``, ``siu`` and ``siv`` of dims ([member], lead_time or time, face).
        mesh: the mesh in the dataset when not given.
        thresholds: from which on something happens.

    Returns:
        Variables ``opening``, ``ridging`` and ``healing``, true or false; times are the ends of the intervals.

    Raises:
        InputError: a variable is missing.
    """
    for name in ("sit", "sid", "siu", "siv"):
        if name not in dataset:
            raise InputError(f"events: '{name}' is missing; they need sit, sid, siu and siv")

    time = "lead_time" if "lead_time" in dataset["sit"].dims else "time"
    fields = dataset[["sit", "sid"]].assign(divergence=deformation(dataset, mesh)["divergence"])
    fields = fields.transpose(..., time, "face")
    days = np.diff(dataset[time].values) / np.timedelta64(1, "D")
    rates = {name: np.diff(fields[name].values, axis=-2) / days[:, None] for name in ("sit", "sid")}
    middle = (fields["divergence"].values[..., 1:, :] + fields["divergence"].values[..., :-1, :]) / 2
    found = classify(middle, rates["sid"], rates["sit"], thresholds)
    frame = fields["sit"].isel({time: slice(1, None)})

    return xr.Dataset({name: frame.copy(data=values).drop_attrs() for name, values in found.items()})


def event_table(models: Mapping[str, Verification], thresholds: Thresholds | None = None) -> pd.DataFrame:
    """How often events happen, and whether in the right cells, per model and lead time.

    Returns:
        Columns ``EVENT_COLUMNS``: share of the ice in the model and in the truth; of the truth's events the share
        ``detected``, of the model's the share of ``false_alarms``, and the ``critical_success`` index, hits over hits,
        misses and false alarms. Sums over members and starts are taken before ratios; NaN where there is nothing to
        divide by. Empty where a variable, the mesh or the starts are missing.
    """
    return tabulate(models, EventTally(next(iter(models.values())), thresholds))


class EventTally(Tally):
    """Gathers :func:`event_table`."""

    def __init__(self, matched: Verification, thresholds: Thresholds | None = None) -> None:
        self._works = matched.mesh is not None and matched.has_start and matched.has("sit", "sid", "siu", "siv")
        self._thresholds = thresholds
        self._truth: dict[str, Array] = {}
        self._sums: dict[tuple[str, float, str], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if not self._works or step.before is None:
            return

        found = events_of(step, self._thresholds)
        if step.is_truth:
            self._truth = found

        areas = step.matched.areas * step.ice
        for name, there in found.items():
            parts = [(where @ areas).mean() for where in (there, there & self._truth[name])]
            sums = np.array([areas.sum(), self._truth[name][0] @ areas, *parts])
            key = (step.model, step.hours, name)
            self._sums[key] = self._sums.get(key, 0.0) + sums

    def table(self) -> pd.DataFrame:
        """See :func:`event_table`."""
        rows = []
        with np.errstate(invalid="ignore", divide="ignore"):
            for key, (ice, truth, model, hits) in self._sums.items():
                scores = hits / truth, 1 - hits / model, hits / (truth + model - hits)
                rows.append((*key, model / ice, truth / ice, *scores))

        return by_model(pd.DataFrame(rows, columns=[*EVENT_COLUMNS]))


def events_of(step: Step, thresholds: Thresholds | None = None) -> dict[str, Array]:
    """Events between the step before and this one, name -> (member, face)."""
    assert step.before is not None
    days = step.seconds / SECONDS_PER_DAY
    thickness, damage = ((step[name] - step.before[name]) / days for name in ("sit", "sid"))
    divergence = (step.rates.divergence + step.before.rates.divergence) / 2
    return classify(divergence, damage, thickness, thresholds)
