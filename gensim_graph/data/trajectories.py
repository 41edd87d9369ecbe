"""Trajectories as arrays: what a dataset becomes before it is sampled."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.data.statistics import Statistics, compute_statistics
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trajectories:
    """Trajectories of one mesh in memory, channels last, absent variables zero.

    Attributes:
        mesh: the mesh.
        state: (R, T, F, state) for R trajectories of T times.
        forcing: (R, T, F, forcing).
        slow: (R, T, F, slow).
        present: name -> whether the data have the variable.
        lead_steps: records from t to t + lead.
    """

    mesh: Mesh
    state: Array
    forcing: Array
    slow: Array
    present: dict[str, bool]
    lead_steps: int

    @classmethod
    def from_dataset(
        cls,
        dataset: xr.Dataset,
        table: VariableTable,
        lead_time: np.timedelta64,
        skip: np.timedelta64 | None = None,
    ) -> "Trajectories":
        """Arrays of a dataset as :func:`~gensim_graph.data.open_store` returns it, without the first ``skip`` of it.

        Raises:
            InputError: irregular times, or a lead time that is no multiple of their step or longer than the record.
        """
        if skip is not None:
            dataset = _without_beginning(dataset, skip)

        try:
            steps = lead_steps(dataset["time"].values, lead_time)
        except InputError as error:
            raise InputError(f"{dataset.attrs.get('origin', 'data')}: {error}") from None

        present = {variable.name: variable.name in dataset for variable in table.variables}
        columns = (stack_variables(dataset, group) for group in (table.state, table.forcing, table.slow))
        state, forcing, slow = (values if values.ndim == 4 else values[None] for values in columns)

        return cls(mesh_from_dataset(dataset), state, forcing, slow, present, steps)

    @property
    def n_pairs(self) -> int:
        """Number of pairs (t, t + lead)."""
        return self.state.shape[0] * (self.state.shape[1] - self.lead_steps)

    def pairs(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """State, residual, forcing and slow inputs of each trajectory, for the statistics."""
        for state, forcing, slow in zip(self.state, self.forcing, self.slow, strict=True):
            yield state, state[self.lead_steps :] - state[: -self.lead_steps], forcing, slow


def _without_beginning(dataset: xr.Dataset, skip: np.timedelta64) -> xr.Dataset:
    times = dataset["time"].values
    kept = times >= times[0] + skip

    if not kept.any():
        name, length = dataset.attrs.get("origin", "data"), _hours(times[-1] - times[0])
        raise InputError(f"{name}: nothing is left of {length} after the first {_hours(skip)}, data.skip")

    return dataset.isel(time=kept)


def statistics_of(data: list[Trajectories], table: VariableTable, lead_hours: float) -> Statistics:
    """Statistics over several meshes; every cell counts once."""
    present = {v.name: any(part.present[v.name] for part in data) for v in table.variables}
    absent = {role: [v.name for v in table.select(role) if not present[v.name]] for role in ("state", "forcing")}
    if absent["state"]:
        log.warning("the training data lack %s; the model will not forecast them", ", ".join(absent["state"]))

    if table.forcing and len(absent["forcing"]) == len(table.forcing):
        raise InputError(
            f"the training data have no forcing ({', '.join(absent['forcing'])}); without at least the wind (uas, vas) "
            "the drift cannot be learned: add it to the files, on the same faces and times"
        )

    for variable in table.variables:
        if len({part.present[variable.name] for part in data}) > 1:
            raise InputError(
                f"variable '{variable.name}' is in some of the training data and not in others; give it to all or none"
            )

    chunks = (pair for part in data for pair in part.pairs())
    return compute_statistics(chunks, table, present, lead_hours)


def stack_variables(dataset: xr.Dataset, variables: tuple[Variable, ...]) -> Array:
    """(..., F, variables) float32; zeros for a variable that the dataset lacks."""
    like = next(column for column in dataset.data_vars.values() if column.dims[-1:] == ("face",))
    shape = next((dataset[v.name].shape for v in variables if v.name in dataset), _shape_of_fields(dataset, like))
    columns = [dataset[v.name].values if v.name in dataset else np.zeros(shape, dtype=np.float32) for v in variables]

    if not columns:
        return np.zeros((*shape, 0), dtype=np.float32)

    return np.stack([np.broadcast_to(column, shape) for column in columns], axis=-1).astype(np.float32)


def _shape_of_fields(dataset: xr.Dataset, like: xr.DataArray) -> tuple[int, ...]:
    leading = [dim for dim in ("trajectory", "time") if dim in dataset.dims]
    return (*(dataset.sizes[dim] for dim in leading), dataset.sizes[like.dims[-1]])


def lead_steps(times: Array, lead_time: np.timedelta64) -> int:
    """Number of records in a lead time.

    Raises:
        InputError: irregular times, or a lead time that the record does not contain.
    """
    steps = np.diff(times)
    if len(steps) == 0:
        raise InputError("the data hold a single time; a lead time needs at least two")

    if (steps != steps[0]).any():
        raise InputError(
            f"the times are irregular (steps from {_hours(steps.min())} to {_hours(steps.max())}); "
            "interpolate them first"
        )

    lead = np.timedelta64(lead_time, "ns")
    if lead <= np.timedelta64(0) or lead % steps[0] != np.timedelta64(0):
        raise InputError(
            f"lead time {_hours(lead)} is no multiple of the data's step of {_hours(steps[0])}; choose one with "
            "data.lead_time=..."
        )

    count = int(lead // steps[0])
    if count >= len(times):
        raise InputError(f"lead time {_hours(lead)} is longer than the record of {_hours(times[-1] - times[0])}")

    return count


def _hours(step: np.timedelta64) -> str:
    return f"{step / np.timedelta64(1, 'h'):g} h"
