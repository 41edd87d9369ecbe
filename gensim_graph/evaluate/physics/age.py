"""Age of the ice, advected by the drift.

A parcel of ice gets older by one day per day. Open water has no age, and ice that forms there starts at zero. This is
the age of the oldest ice in a cell, as satellite products track it (Tschudi et al. 2020, doi 10.5194/tc-14-1519-2020):
convergence and growth do not change it.

The advection is semi-Lagrangian: from the centre of each cell the trajectory is traced back over one time interval
(:mod:`~gensim_graph.mesh.operators.paths`), and the age is interpolated there, linearly in the cell and limited to the
range of ages of the cell and its neighbours. Ice at rest keeps its age field exactly.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.tally import ICE_EDGE
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Drift, GradientOperator, Locator, advect, node_operator
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY


def ice_age(dataset: xr.Dataset, mesh: Mesh | None = None, initial: Array | None = None) -> xr.DataArray:
    """Compute the age of the ice in a forecast or a truth.

    Args:
        dataset: ``siu`` and ``siv`` in m/s and ``sic``, of dims ([member], lead_time or time, face).
        mesh: by default the mesh in the dataset.
        initial: (F,) age at the first time, days; 0 by default.

    Returns:
        Age in days, dims as ``sic``; 0 where there is no ice.

    Raises:
        InputError: a variable or the dimension of time is missing.

    Example:
        The trajectories that ship begin with ice everywhere; two days later that ice is two days old:

        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import ice_age
        >>> truth = gg.open_store(cyclone_trajectories("test")[0])
        >>> age = ice_age(truth.isel(time=[0, 8, 16]))
        >>> age.dims, age.attrs["units"], round(float(age[-1].max()), 2)
        (('time', 'face'), 'd', 2.0)
    """
    sic = _ordered(dataset, "sic")
    ages = list(ages_in_time(dataset, mesh, initial))
    values = np.stack(ages, axis=-2).reshape(sic.shape)
    age = sic.copy(data=values).rename("age")
    age.attrs = {"standard_name": "age_of_sea_ice", "long_name": "age of the oldest sea ice", "units": "d"}

    return age


def ages_in_time(dataset: xr.Dataset, mesh: Mesh | None = None, initial: Array | None = None) -> Iterator[Array]:
    """Yield the age of the ice at one time after the other.

    Only two times are in memory, so runs of several years are possible.

    Args:
        dataset: see :func:`ice_age`.
        mesh: by default the mesh in the dataset.
        initial: (F,) age at the first time, days; 0 by default.

    Yields:
        (M, F) days.
    """
    mesh = mesh or mesh_from_dataset(dataset)
    advection = AgeAdvection(mesh)
    fields = [_ordered(dataset, name) for name in ("siu", "siv", "sic")]
    time = fields[0].dims[-2]

    u, v, sic = _at(fields, 0)
    age = np.zeros(sic.shape) if initial is None else np.broadcast_to(initial, sic.shape)
    age = np.where(sic > ICE_EDGE, age, 0.0)
    yield age

    before = advection.to_nodes(u, v)
    for position, (start, end) in enumerate(pairwise(dataset[time].values), start=1):
        u, v, sic = _at(fields, position)
        after = advection.to_nodes(u, v)
        drift = Drift(before, after, float((end - start) / np.timedelta64(1, "s")))

        age = advection.advance(age, drift, sic > ICE_EDGE)
        yield age
        before = after


class AgeAdvection:
    """Advects ages on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._locator = Locator(mesh)
        self._gradient = GradientOperator(mesh)
        self._to_nodes = node_operator(mesh)
        self._centres = self._locator.nearest(mesh.centres)
        self._corners = np.where(mesh.faces >= 0, mesh.faces, mesh.faces[:, :1])

    def to_nodes(self, u: Array, v: Array) -> Array:
        """Average a drift on faces to the nodes.

        Args:
            u: (M, F) x component, m/s.
            v: (M, F) y component, m/s.

        Returns:
            (M, N, 2) m/s.
        """
        return np.stack([(self._to_nodes @ part.T).T for part in (u, v)], axis=-1)

    def advance(self, age: Array, drift: Drift, ice: Array) -> Array:
        """Advance ages over one time interval.

        Args:
            age: (M, F) days, at the start of the interval.
            drift: velocities at both ends of the interval, and its length.
            ice: (M, F) True where there is ice at the end of the interval.

        Returns:
            (M, F) days, 0 where there is no ice.
        """
        at_departure = np.stack([self._departure_age(age[member], drift, member) for member in range(len(age))])
        return np.where(ice, at_departure + drift.seconds / SECONDS_PER_DAY, 0.0)

    def _departure_age(self, age: Array, drift: Drift, member: int) -> Array:
        """Age (F,) at the point from which the ice in each cell has come."""
        members = np.full(self._mesh.n_faces, member)
        points, locations = advect(
            self._locator, self._mesh.centres, self._centres, members, drift, steps=1, backward=True
        )
        faces = self._locator.faces[locations.triangles]

        slope = self._gradient(age[None])[0, :, 0]
        offset = points - self._mesh.centres[faces]
        linear = age[faces] + (slope[:, faces].T * offset).sum(axis=1)
        lowest, highest = self._range(age)

        return np.clip(linear, lowest[faces], highest[faces])

    def _range(self, age: Array) -> tuple[Array, Array]:
        """Lowest and highest age (F,) in each cell and all cells that share a node with it.

        Cells that share a side are not enough: at the corners of a triangle a linear field exceeds their range.
        """
        low, high = np.full(self._mesh.n_nodes, np.inf), np.full(self._mesh.n_nodes, -np.inf)
        for corner in self._corners.T:
            np.minimum.at(low, corner, age)
            np.maximum.at(high, corner, age)

        return low[self._corners].min(axis=1), high[self._corners].max(axis=1)


def _ordered(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Return a variable with time and face as its last dimensions."""
    if name not in dataset:
        raise InputError(f"age of the ice: '{name}' is missing; it needs siu, siv and sic")

    time = "lead_time" if "lead_time" in dataset[name].dims else "time"
    if not {time, "face"} <= {*dataset[name].dims}:
        raise InputError(f"age of the ice: '{name}' has dims {dataset[name].dims}; expected (.., time, face)")

    return dataset[name].transpose(..., time, "face")


def _at(fields: list[xr.DataArray], position: int) -> list[Array]:
    """Values (M, F) of each field at one time."""
    return [field.isel({field.dims[-2]: position}).values.reshape(-1, field.sizes["face"]) for field in fields]
