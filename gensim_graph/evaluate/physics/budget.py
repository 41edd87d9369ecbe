r"""Volume budget of the ice: its change, split into the effect of the drift and a rest.

Over a time interval, for the volume per area h (of ice or snow, or for the concentration), with the fluxes at both ends
of the interval averaged:

.. math:: \frac{\Delta h}{\Delta t} = \underbrace{-u \cdot \nabla h}_{advection} \underbrace{- h \nabla \cdot u}_{
    convergence} + rest, \qquad dynamics = advection + convergence = -\nabla \cdot (h u)

(Holland and Kwok 2012, doi 10.1038/ngeo1533). The rest is growth and melt, plus the error of the estimate: drift that
changes within the interval, and sharp edges. Where the truth has no thermodynamics, its rest is that error alone; for
the concentration it also contains ridging, which closes open water.

A forecast can write transport and source of each step (:mod:`~gensim_graph.evaluate.physics.written_budget`). They take
the place of the estimates of dynamics and rest: the rest is then exactly what the model has added. The convergence
remains an estimate, and advection = dynamics - convergence contains its error.

Summed over the whole domain, the dynamics are exactly the inflow through the open boundary. In a closed domain without
thermodynamics the sum of the rest therefore measures how well a model conserves its ice.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics.written_budget import ESTIMATED_BUDGET, WRITTEN_BUDGET, written_terms
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Transport
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

TERMS = ("change", "advection", "convergence", "dynamics", "rest")
"""Terms of a budget; change = dynamics + rest, dynamics = advection + convergence."""


class Tendency(NamedTuple):
    """Effect of the drift on a field at one instant, (F, M).

    Attributes:
        field: the field q.
        dynamics: -div(q u), units of the field per s.
        convergence: -q div u, units of the field per s.
    """

    field: Array
    dynamics: Array
    convergence: Array


class Budget(NamedTuple):
    """Terms of a budget, (F, M), units of the field per day.

    Attributes:
        change: Delta q / Delta t.
        dynamics: -div(q u).
        convergence: -q div u.
    """

    change: Array
    dynamics: Array
    convergence: Array

    @property
    def advection(self) -> Array:
        """-u . grad q."""
        return self.dynamics - self.convergence

    @property
    def rest(self) -> Array:
        """Change that the drift does not explain."""
        return self.change - self.dynamics

    def with_terms(self, transport: Array, source: Array, seconds: float) -> "Budget":
        """Return the budget with terms that a forecast has written, in place of their estimates.

        Args:
            transport: (F, M), units of the field per step.
            source: (F, M), units of the field per step.
            seconds: length of the step.
        """
        per_day = SECONDS_PER_DAY / seconds
        return Budget(per_day * (transport + source), per_day * transport, self.convergence)


def tendencies(transport: Transport, u: Array, v: Array, fields: Mapping[str, Array]) -> dict[str, Tendency]:
    """Compute the effect of a drift on several fields.

    Args:
        transport: transport operator of the mesh.
        u: (M, F) x component of the drift, m/s.
        v: (M, F) y component, m/s.
        fields: name -> (M, F).
    """
    divergence, transported = transport.terms(u, v, [*fields.values()])
    return {
        name: Tendency(field.T, -flux, -field.T * divergence)
        for (name, field), flux in zip(fields.items(), transported, strict=True)
    }


def budget(before: Tendency, after: Tendency, seconds: float) -> Budget:
    """Compute the budget of a field between two instants.

    Args:
        before: at the first instant; a single member is compared with every member of ``after``.
        after: at the second instant.
        seconds: time between them.
    """
    half = SECONDS_PER_DAY / 2
    return Budget(
        (after.field - before.field) * (SECONDS_PER_DAY / seconds),
        half * (before.dynamics + after.dynamics),
        half * (before.convergence + after.convergence),
    )


def volume_budget(dataset: xr.Dataset, name: str = "sit", mesh: Mesh | None = None) -> xr.Dataset:
    """Compute maps of the budget of one variable of a forecast or a truth.

    Args:
        dataset: the variable, and ``siu`` and ``siv`` in m/s, of dims ([member], lead_time or time, face). Transport
            and source (``sit_transport``, ``sit_source``) of a forecast that has written each step are used.
        name: the variable, ice volume per area by default.
        mesh: by default the mesh in the dataset.

    Returns:
        ``change``, ``advection``, ``convergence``, ``dynamics`` and ``rest`` in units of the variable per day; times
        are the ends of the intervals. The attribute ``method`` is ``written`` if transport and source of the dataset
        were used, else ``estimated``.

    Raises:
        InputError: a variable is missing.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import volume_budget
        >>> truth = gg.open_store(cyclone_trajectories("test")[0]).isel(time=[0, 4, 8])
        >>> budget = volume_budget(truth)
        >>> list(budget), dict(budget.sizes)["time"], budget["rest"].attrs["units"]
        (['change', 'advection', 'convergence', 'dynamics', 'rest'], 2, 'm day-1')
    """
    for needed in (name, "siu", "siv"):
        if needed not in dataset:
            raise InputError(f"volume budget: '{needed}' is missing; it needs {name}, siu and siv")

    transport = Transport(mesh or mesh_from_dataset(dataset))
    time = "lead_time" if "lead_time" in dataset[name].dims else "time"
    field, u, v = (dataset[variable].transpose(..., time, "face") for variable in (name, "siu", "siv"))
    budgets = _budgets_in_time(transport, _flat(field), _flat(u), _flat(v), dataset[time].values)
    seconds = np.diff(dataset[time].values) / np.timedelta64(1, "s")
    names = written_terms(dataset, name, float(seconds[0])) if len(set(seconds)) == 1 else None
    if names:
        parts = [_flat(dataset[one].transpose(..., time, "face"))[:, 1:] for one in names]
        budgets = [
            each.with_terms(moved.T, added.T, float(seconds[0]))
            for each, moved, added in zip(budgets, *(part.swapaxes(0, 1) for part in parts), strict=True)
        ]

    frame = field.isel({time: slice(1, None)})
    units = f"{dataset[name].attrs.get('units', '1')} day-1"
    maps = {}

    for term in TERMS:
        values = np.stack([getattr(each, term).T for each in budgets], axis=1).reshape(frame.shape)
        maps[term] = frame.copy(data=values).assign_attrs(units=units)

    return xr.Dataset(maps, attrs={"method": WRITTEN_BUDGET if names else ESTIMATED_BUDGET})


def _flat(field: xr.DataArray) -> Array:
    """Values (member, time, face)."""
    return np.asarray(field.values.reshape(-1, *field.shape[-2:]))


def _budgets_in_time(transport: Transport, field: Array, u: Array, v: Array, times: Array) -> list[Budget]:
    """Budgets of a field (member, time, face) over the intervals between its times."""
    instants = []
    for position in range(len(times)):
        now = {"field": field[:, position]}
        instants.append(tendencies(transport, u[:, position], v[:, position], now)["field"])

    seconds = np.diff(times) / np.timedelta64(1, "s")
    intervals = zip(pairwise(instants), seconds, strict=True)

    return [budget(before, after, float(length)) for (before, after), length in intervals]
