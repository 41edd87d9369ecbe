"""Age of the ice, carried along by the drift.

The age of a parcel grows by a day a day; water without ice has none, and ice that forms there begins at zero. That is
the age of the oldest ice in a cell, as satellite products track it (Tschudi et al. 2020, doi 10.5194/tc-14-1519-2020):
convergence and growth of the parcel do not change it.

From each cell the way is traced back over one interval (:mod:`~gensim_graph.mesh.operators.paths`), and the age there is
taken, linear in the cell and within the ages of the cell and its neighbours (semi-Lagrangian). Ice at rest keeps its
age exactly.
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
    """Age of the ice in a forecast or a truth.

    Args:
        dataset: ``siu``, ``siv`` and ``sic`` of dims ([member], lead_time or time, face).
        mesh: the mesh in the dataset when not given.
        initial: age at the first time, days, (face); 0 by default.

    Returns:
        Age in days, dims as ``sic``; 0 where there is no ice.

    Raises:
        InputError: a variable or the dimension of time is missing.
    """
    field = _ordered(dataset, "sic")
    ages = list(ages_in_time(dataset, mesh, initial))
    values = np.stack(ages, axis=-2).reshape(field.shape)
    return field.copy(data=values).rename("age").assign_attrs(units="d", long_name="age of the oldest sea ice")


def ages_in_time(dataset: xr.Dataset, mesh: Mesh | None = None, initial: Array | None = None) -> Iterator[Array]:
    """The same one time after the other, (member, face): for runs of years. Two times are in memory."""
    mesh = mesh or mesh_from_dataset(dataset)
    carrier = AgeCarrier(mesh)
    fields = [_ordered(dataset, name) for name in ("siu", "siv", "sic")]
    time = fields[0].dims[-2]
    u, v, sic = _at(fields, 0)
    age = np.zeros(sic.shape) if initial is None else np.broadcast_to(initial, sic.shape)
    age = np.where(sic > ICE_EDGE, age, 0.0)
    yield age
    before = carrier.to_nodes(u, v)

    for position, (then, now) in enumerate(pairwise(dataset[time].values), start=1):
        u, v, sic = _at(fields, position)
        after = carrier.to_nodes(u, v)
        age = carrier.carry(age, Drift(before, after, float((now - then) / np.timedelta64(1, "s"))), sic > ICE_EDGE)
        yield age
        before = after


class AgeCarrier:
    """Carries ages along on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh, self._locator = mesh, Locator(mesh)
        self._gradient, self._to_nodes = GradientOperator(mesh), node_operator(mesh)
        self._begin = self._locator.nearest(mesh.centres)
        self._corners = np.where(mesh.faces >= 0, mesh.faces, mesh.faces[:, :1])

    def to_nodes(self, u: Array, v: Array) -> Array:
        """Drift on faces (M, F) as node velocities (M, N, 2)."""
        return np.stack([(self._to_nodes @ part.T).T for part in (u, v)], axis=-1)

    def carry(self, age: Array, drift: Drift, ice: Array) -> Array:
        """Age (M, F), days, after an interval, at the end of which there is ice (M, F) or none."""
        carried = np.stack([self._from(age[member], drift, member) for member in range(len(age))])
        return np.where(ice, carried + drift.seconds / SECONDS_PER_DAY, 0.0)

    def _from(self, age: Array, drift: Drift, member: int) -> Array:
        """Age where the ice came from."""
        members = np.full(self._mesh.n_faces, member)
        points, places = advect(self._locator, self._mesh.centres, self._begin, members, drift, steps=1, backward=True)
        faces = self._locator.faces[places.triangles]
        slope = self._gradient(age[None])[0, :, 0]
        step = points - self._mesh.centres[faces]
        low, high = self._range(age)

        return np.clip(age[faces] + (slope[:, faces].T * step).sum(axis=1), low[faces], high[faces])

    def _range(self, age: Array) -> tuple[Array, Array]:
        """Lowest and highest age in each cell and all that share a node with it.

        Those across its sides would not do: what is linear goes beyond their range at the corners of a triangle.
        """
        low, high = np.full(self._mesh.n_nodes, np.inf), np.full(self._mesh.n_nodes, -np.inf)
        for corner in self._corners.T:
            np.minimum.at(low, corner, age)
            np.maximum.at(high, corner, age)
        return low[self._corners].min(axis=1), high[self._corners].max(axis=1)


def _ordered(dataset: xr.Dataset, name: str) -> xr.DataArray:
    if name not in dataset:
        raise InputError(f"age of the ice: '{name}' is missing; it needs siu, siv and sic")

    time = "lead_time" if "lead_time" in dataset[name].dims else "time"
    if not {time, "face"} <= {*dataset[name].dims}:
        raise InputError(f"age of the ice: '{name}' has dims {dataset[name].dims}; expected (.., time, face)")

    return dataset[name].transpose(..., time, "face")


def _at(fields: list[xr.DataArray], position: int) -> list[Array]:
    """Values (member, face) at one time."""
    return [field.isel({field.dims[-2]: position}).values.reshape(-1, field.sizes["face"]) for field in fields]
