"""Scaling in time: how the deformation depends on the time over which it is averaged (intermittency).

At each face the velocity gradient is averaged over windows of length T; e_T is the total deformation of that mean. For
sea ice the moments fall off as a power of T, the higher moments faster (Rampal et al. 2008, doi 10.1029/2007JC004143;
Weiss and Dansereau 2017, doi 10.1029/2017RG000552):

    <e_T^q> ~ T^-alpha(q),        alpha(q) = a q^2 + b q,

where a > 0 means that the deformation comes in bursts. alpha(q) is 0 for a deformation that is constant in time, and
q / 2 for noise. Windows are 1, 2, 4, ... lead times long. Faces are fixed: they do not follow the ice.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics.scaling import SCALING_ORDERS, Scaling, mean_powers, scaling_rows
from gensim_graph.evaluate.tally import Step, Tally
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import GradientOperator, invariants
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

_FEWEST_WINDOWS = 2
"""A length is left out if there are fewer windows of it; the longest window is half of a forecast."""


def temporal_scaling(
    dataset: xr.Dataset, mesh: Mesh | None = None, orders: Sequence[float] = SCALING_ORDERS
) -> Scaling:
    """Compute the scaling in time of the deformation of a forecast or a truth.

    Args:
        dataset: ``siu`` and ``siv`` in m/s, of dims ([member], lead_time or time, face), at equal time steps.
        mesh: by default the mesh in the dataset.
        orders: orders q of the moments.

    Returns:
        The moments by the length of the window, in s; means over area, members and windows.

    Raises:
        InputError: fewer than four times, or times that are not evenly spaced.
    """
    mesh = mesh or mesh_from_dataset(dataset)
    time = "lead_time" if "lead_time" in dataset["siu"].dims else "time"
    steps = np.diff(dataset[time].values) / np.timedelta64(1, "s")

    if len(steps) < 3 or not np.allclose(steps, steps[0]):
        raise InputError(f"intermittency: expected four or more times, evenly spaced; came {len(steps) + 1}")

    operator, windows = GradientOperator(mesh), Windows(mesh.areas, orders)
    for position in range(len(steps) + 1):
        now = dataset[["siu", "siv"]].isel({time: position})
        u, v = (now[name].values.reshape(-1, mesh.n_faces) for name in ("siu", "siv"))
        windows.add(operator(u, v) * SECONDS_PER_DAY)

    return windows.scaling(float(steps[0]))


class Windows:
    """Average velocity gradients over windows of 1, 2, 4, ... times while the times arrive one by one.

    For each length only the average of one incomplete window is kept: memory grows with the logarithm of the number of
    times.

    Args:
        areas: (F,) weights of the faces.
        orders: orders q of the moments.
    """

    def __init__(self, areas: Array, orders: Sequence[float] = SCALING_ORDERS) -> None:
        self._areas, self._orders = areas, orders
        self._first_halves: list[Array | None] = []
        self._sums: list[Array] = []
        self._counts: list[int] = []

    def add(self, gradient: Array) -> None:
        """Add the velocity gradient (2, 2, M, F) of the next time, 1/day."""
        self._complete(0, gradient)

    def _complete(self, level: int, gradient: Array) -> None:
        """Add the mean of a complete window of 2^level times; two of them complete one of the next level."""
        if level == len(self._first_halves):
            self._first_halves.append(None)
            self._sums.append(np.zeros(len(self._orders)))
            self._counts.append(0)

        self._sums[level] += mean_powers(invariants(gradient).total, self._areas, self._orders)
        self._counts[level] += 1

        first_half = self._first_halves[level]
        if first_half is None:
            self._first_halves[level] = gradient
        else:
            self._first_halves[level] = None
            self._complete(level + 1, (first_half + gradient) / 2)

    def scaling(self, seconds: float) -> Scaling:
        """Return the moments of all times so far, which are ``seconds`` apart."""
        levels = [level for level, count in enumerate(self._counts) if count >= _FEWEST_WINDOWS]
        moments = np.stack([self._sums[level] / self._counts[level] for level in levels], axis=1)
        return Scaling(seconds * 2.0 ** np.array(levels), np.asarray(self._orders), moments)


class IntermittencyTally(Tally):
    """Gather the scaling in time of truth and forecasts, over the faces where the truth has ice at the first lead time.

    Nothing is gathered if there is no drift, or if there are fewer than four evenly spaced lead times.
    """

    def __init__(self) -> None:
        self._windows: dict[str, Windows] = {}
        self._scalings: dict[tuple[str, float], list[Scaling]] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        hours = step.matched.lead_hours
        even = len(hours) >= 2 * _FEWEST_WINDOWS and np.allclose(np.diff(hours), hours[0])
        if step.operator is None or not even or not step.matched.has("siu", "siv"):
            return

        if step.lead == 0:
            self._windows[step.model] = Windows(step.matched.areas * step.ice)

        self._windows[step.model].add(step.gradient)
        if step.lead == len(hours) - 1 and step.ice.any():
            scaling = self._windows[step.model].scaling(SECONDS_PER_HOUR * float(hours[0]))
            self._scalings.setdefault((step.model, 0.0), []).append(scaling)

    def table(self) -> pd.DataFrame:
        """Return one row per model, order and length of the window.

        Returns:
            Columns model, order, duration_hours, moment (day^-q) and alpha, the exponent. Empty if there is no drift,
            or if there are fewer than four lead times.
        """
        rows = scaling_rows(self._scalings, "duration_hours", 1 / SECONDS_PER_HOUR)
        return rows.drop(columns="lead_hours").rename(columns={"beta": "alpha"})
