"""Events: cells where the ice opens, ridges or heals, detected from divergence, damage and thickness together.

The criteria use the rates of change of thickness and damage over a time interval, and the mean divergence of both ends:

======== ==============================================================================================
opening  divergence above a threshold, thickness falls, damage does not: a lead
ridging  divergence below minus the threshold, thickness rises: ice is piled up
healing  the ice neither opens nor closes, and its damage falls: it freezes together
======== ==============================================================================================

A model that has learnt the physics shows these changes together in the same cells. A model that predicts each field
independently, or an ensemble mean, does not. Only faces where the truth has ice are used.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics.deformation_rates import deformation
from gensim_graph.evaluate.tally import Step, Tally, by_model
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

EVENTS = ("opening", "ridging", "healing")
_COLUMNS = ("model", "lead_hours", "event", "share", "truth_share", "detected", "false_alarms", "critical_success")


@dataclass(frozen=True)
class Thresholds:
    """Magnitudes that a rate must exceed to count as a change.

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
    """Classify cells by event; at most one event applies to a cell.

    Args:
        divergence: (..., F) 1/day.
        damage_rate: (..., F) change of the damage, 1/day.
        thickness_rate: (..., F) change of the ice volume per area, m/day.
        thresholds: by default :class:`Thresholds`.

    Returns:
        Event -> (..., F) True where it happens.
    """
    limit = thresholds or Thresholds()
    thins = thickness_rate < -limit.thickness
    thickens = thickness_rate > limit.thickness
    heals = damage_rate < -limit.damage

    return {
        "opening": (divergence > limit.divergence) & thins & (damage_rate > -limit.damage),
        "ridging": (divergence < -limit.divergence) & thickens,
        "healing": (np.abs(divergence) <= limit.divergence) & heals,
    }


def detect_events(dataset: xr.Dataset, mesh: Mesh | None = None, thresholds: Thresholds | None = None) -> xr.Dataset:
    """Detect the events in a forecast or a truth.

    Args:
        dataset: ``sit`` in m, ``sid``, ``siu`` and ``siv`` in m/s, of dims ([member], lead_time or time, face).
        mesh: by default the mesh in the dataset.
        thresholds: by default :class:`Thresholds`.

    Returns:
        Variables ``opening``, ``ridging`` and ``healing``, True where the event happens; times are the ends of the
        intervals.

    Raises:
        InputError: a variable is missing.

    Example:
        Share of the cells that open or ridge within the first day of a trajectory that ships:

        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import detect_events
        >>> truth = gg.open_store(cyclone_trajectories("test")[0])
        >>> events = detect_events(truth.isel(time=[0, 8]))
        >>> {name: round(float(events[name].mean()), 3) for name in ("opening", "ridging")}
        {'opening': 0.118, 'ridging': 0.237}
    """
    for name in ("sit", "sid", "siu", "siv"):
        if name not in dataset:
            raise InputError(f"events: '{name}' is missing; they need sit, sid, siu and siv")

    time = "lead_time" if "lead_time" in dataset["sit"].dims else "time"
    fields = dataset[["sit", "sid"]].assign(divergence=deformation(dataset, mesh)["divergence"])
    fields = fields.transpose(..., time, "face")

    days = np.diff(dataset[time].values) / np.timedelta64(1, "D")
    thickness_rate, damage_rate = (np.diff(fields[name].values, axis=-2) / days[:, None] for name in ("sit", "sid"))
    divergence = fields["divergence"].values
    mean_divergence = (divergence[..., 1:, :] + divergence[..., :-1, :]) / 2

    found = classify(mean_divergence, damage_rate, thickness_rate, thresholds)
    frame = fields["sit"].isel({time: slice(1, None)})

    return xr.Dataset({name: frame.copy(data=values).drop_attrs() for name, values in found.items()})


class EventTally(Tally):
    """Gather how often events happen, and how often they happen in the right cells.

    Nothing is gathered if a variable, the mesh or the starts are missing.

    Args:
        matched: the forecast beside the truth.
        thresholds: by default :class:`Thresholds`.
    """

    def __init__(self, matched: Verification, thresholds: Thresholds | None = None) -> None:
        self._applies = matched.mesh is not None and matched.has_start and matched.has("sit", "sid", "siu", "siv")
        self._thresholds = thresholds
        self._truth: dict[str, Array] = {}
        self._sums: dict[tuple[str, float, str], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if not self._applies or step.before is None:
            return

        found = _events_of(step, self._thresholds)
        if step.is_truth:
            self._truth = found

        areas = step.matched.areas * step.ice
        for name, present in found.items():
            hits = present & self._truth[name]
            sums = [areas.sum(), self._truth[name][0] @ areas, (present @ areas).mean(), (hits @ areas).mean()]
            key = (step.model, step.hours, name)
            self._sums[key] = self._sums.get(key, 0.0) + np.array(sums)

    def table(self) -> pd.DataFrame:
        """Return one row per model, lead time and event.

        Returns:
            Columns model, lead_hours, event; share of the ice where it happens in the model and truth_share in the
            truth; detected, the detected share of the events of the truth; false_alarms, the share of false alarms
            among the events of the model; and critical_success, the critical success index: hits over hits, misses and
            false alarms. Areas are summed over members and starts before the ratios are taken; a ratio without a
            denominator is NaN.
        """
        rows = []
        with np.errstate(invalid="ignore", divide="ignore"):
            for key, (ice, truth, model, hits) in self._sums.items():
                scores = hits / truth, 1 - hits / model, hits / (truth + model - hits)
                rows.append((*key, model / ice, truth / ice, *scores))

        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))


def _events_of(step: Step, thresholds: Thresholds | None) -> dict[str, Array]:
    """Events between the step before and this one: event -> (M, F)."""
    assert step.before is not None
    days = step.seconds / SECONDS_PER_DAY
    thickness_rate = (step["sit"] - step.before["sit"]) / days
    damage_rate = (step["sid"] - step.before["sid"]) / days
    divergence = (step.rates.divergence + step.before.rates.divergence) / 2

    return classify(divergence, damage_rate, thickness_rate, thresholds)
