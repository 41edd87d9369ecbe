"""How deformation depends on the time over which one looks: the intermittency of sea ice.

At each face the velocity gradient is averaged over windows of a length T, and its total deformation e_T taken. For sea
ice the moments fall off as a power of T, high ones faster (Rampal et al. 2008, doi 10.1029/2007JC004143; Weiss and
Dansereau 2017, doi 10.1029/2017RG000552):

    <e_T^q> ~ T^-alpha(q),        alpha(q) = a q^2 + b q,

where a > 0 means that deformation comes in bursts. alpha(q) is 0 for ice that deforms alike all the time and q / 2 for
noise. Windows are 1, 2, 4, ... lead times long; faces stay where they are.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.physics.scaling import SCALING_ORDERS, Scaling, mean_powers, scaling_rows
from gensim_graph.evaluate.tally import Step, Tally, tabulate
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import GradientOperator, invariants
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

_FEWEST = 2
"""Windows of a length that are needed: the longest is half of a forecast."""


def temporal_scaling(
    dataset: xr.Dataset, mesh: Mesh | None = None, orders: Sequence[float] = SCALING_ORDERS
) -> Scaling:
    """Scaling in time of the deformation of a forecast or a truth.

    Args:
        dataset: ``siu`` and ``siv`` of dims ([member], lead_time or time, face), at equal steps in time.
        mesh: the mesh in the dataset when not given.
        orders: of the moments.

    Returns:
        The scaling; its lengths are in s. Moments are means over area, members and windows.

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
    """Averages velocity gradients over windows that double in length, as they come.

    Each length keeps one average that is not complete: memory grows with the logarithm of the time.
    """

    def __init__(self, areas: Array, orders: Sequence[float] = SCALING_ORDERS) -> None:
        self._areas, self._orders = areas, orders
        self._half: list[Array | None] = []
        self._sums: list[Array] = []
        self._counts: list[int] = []

    def add(self, gradient: Array) -> None:
        """Add a gradient (2, 2, M, F), 1/day, of the next time."""
        self._complete(0, gradient)

    def _complete(self, level: int, gradient: Array) -> None:
        """A window of 2^level times is complete; two of them are one of the next level."""
        if level == len(self._half):
            self._half.append(None)
            self._sums.append(np.zeros(len(self._orders)))
            self._counts.append(0)

        self._sums[level] += mean_powers(invariants(gradient).total, self._areas, self._orders)
        self._counts[level] += 1
        first, self._half[level] = self._half[level], gradient

        if first is not None:
            self._half[level] = None
            self._complete(level + 1, (first + gradient) / 2)

    def scaling(self, seconds: float) -> Scaling:
        """What has come, at times that are ``seconds`` apart."""
        levels = [level for level, count in enumerate(self._counts) if count >= _FEWEST]
        moments = np.stack([self._sums[level] / self._counts[level] for level in levels], axis=1)
        return Scaling(seconds * 2.0 ** np.array(levels), np.asarray(self._orders), moments)


def intermittency_table(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Scaling in time of truth and forecasts, over their lead times.

    Faces count where the truth has ice at the first lead time.

    Returns:
        Columns model, order, duration_hours, moment (day^-q) and alpha, the exponent. Empty where there is no drift,
        or fewer than four lead times.
    """
    return tabulate(models, IntermittencyTally())


class IntermittencyTally(Tally):
    """Gathers :func:`intermittency_table`."""

    def __init__(self) -> None:
        self._windows: dict[str, Windows] = {}
        self._found: dict[tuple[str, float], list[Scaling]] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        hours = step.matched.lead_hours
        even = len(hours) >= 2 * _FEWEST and np.allclose(np.diff(hours), hours[0])
        if step.operator is None or not even or not step.matched.has("siu", "siv"):
            return

        if step.lead == 0:
            self._windows[step.model] = Windows(step.matched.areas * step.ice)

        self._windows[step.model].add(step.gradient)
        if step.lead == len(hours) - 1 and step.ice.any():
            scaling = self._windows[step.model].scaling(3600.0 * float(hours[0]))
            self._found.setdefault((step.model, 0.0), []).append(scaling)

    def table(self) -> pd.DataFrame:
        """See :func:`intermittency_table`."""
        rows = scaling_rows(self._found, "duration_hours", 1 / 3600)
        return rows.drop(columns="lead_hours").rename(columns={"beta": "alpha"})
