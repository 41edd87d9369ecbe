"""Trajectories in memory as arrays, from which the training samples are drawn and the statistics are computed."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from gensim_graph.data.statistics import Statistics, TrainingMoments
from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trajectories(TrainingData):
    """Trajectories on one mesh, in the units of the variable table; absent variables are zero.

    Attributes:
        mesh: the mesh.
        state: (R, T, F, state) for R trajectories of T times.
        forcing: (R, T, F, forcing).
        slow: (R, T, F, slow).
        present: variable -> whether the data have it.
        lead_steps: number of records from t to t + lead.
        record_times: (T,) datetime64[ns], the same in all trajectories; None if they are not known.
    """

    mesh: Mesh
    state: Array
    forcing: Array
    slow: Array
    present: dict[str, bool]
    lead_steps: int
    record_times: Array | None = None

    is_in_memory = True

    @classmethod
    def from_dataset(
        cls,
        dataset: xr.Dataset,
        table: VariableTable,
        lead_time: np.timedelta64,
        skip: np.timedelta64 | None = None,
    ) -> "Trajectories":
        """Make trajectories of a dataset that :func:`~gensim_graph.io.open_store` returned.

        Args:
            dataset: one trajectory or several, on a mesh.
            table: the variable table.
            lead_time: of one forecast step.
            skip: length of the beginning that is left out; None for all times.

        Raises:
            InputError: the times are irregular, or the lead time is no multiple of their step or longer than the data.
        """
        if skip is not None:
            dataset = _without_beginning(dataset, skip)

        try:
            steps = lead_steps(dataset["time"].values, lead_time)
        except InputError as error:
            raise InputError(f"{dataset.attrs.get('origin', 'data')}: {error}") from None

        present = {variable.name: variable.name in dataset for variable in table.variables}

        groups = (table.state, table.forcing, table.slow)
        stacked = (stack_variables(dataset, group) for group in groups)
        state, forcing, slow = (values if values.ndim == 4 else values[None] for values in stacked)

        times = dataset["time"].values.astype("datetime64[ns]")
        return cls(mesh_from_dataset(dataset), state, forcing, slow, present, steps, times)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.state)

    @property
    def n_starts(self) -> int:
        """Number of times t from which a pair (t, t + lead) starts."""
        return self.state.shape[1] - self.lead_steps

    def times(self, trajectory: int) -> Array:
        """Return the times of the records, see :meth:`TrainingData.times`."""
        return super().times(trajectory) if self.record_times is None else self.record_times

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Return the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells; None for all.
        """
        chosen = slice(None) if cells is None else cells
        later = start + self.lead_steps

        return StatePair(
            self.state[trajectory, start][chosen],
            self.state[trajectory, later][chosen],
            self.forcing[trajectory, start][chosen],
            self.forcing[trajectory, later][chosen],
            self.slow[trajectory, start][chosen],
        )

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield state, residual, forcing and slow inputs of each trajectory, (T, F, variable) each."""
        for state, forcing, slow in zip(self.state, self.forcing, self.slow, strict=True):
            yield state, state[self.lead_steps :] - state[: -self.lead_steps], forcing, slow


def _without_beginning(dataset: xr.Dataset, skip: np.timedelta64) -> xr.Dataset:
    times = dataset["time"].values
    kept = times >= times[0] + skip

    if not kept.any():
        name = dataset.attrs.get("origin", "data")
        length = _hours(times[-1] - times[0])
        raise InputError(f"{name}: nothing is left of {length} after the first {_hours(skip)}, data.skip")

    return dataset.isel(time=kept)


def statistics_of(data: Sequence[TrainingData], table: VariableTable, lead_hours: float) -> Statistics:
    """Compute the statistics of trajectories on one mesh or several; every cell has the same weight.

    Args:
        data: the trajectories.
        table: the variable table.
        lead_hours: lead time of the residual, h.

    Raises:
        InputError: the data have no forcing, the wind is in some of the data only, or a state variable never changes.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.data import Trajectories, cyclone_trajectories, statistics_of
        >>> table = gg.default_variables()
        >>> data = gg.open_store(cyclone_trajectories("test")[0])
        >>> trajectories = [Trajectories.from_dataset(data, table, np.timedelta64(12, "h"))]
        >>> statistics = statistics_of(trajectories, table, lead_hours=12.0)
        >>> print("mean {:.2f} m, deviation {:.2f} m".format(*statistics.values["sit"]))
        mean 0.68 m, deviation 0.21 m
    """
    present = {variable.name: any(part.present[variable.name] for part in data) for variable in table.variables}
    _check_present(data, table, present)

    moments = TrainingMoments(table, present)
    for part in data:
        part.add_moments(moments)

    return replace(moments.statistics(lead_hours), optional=_in_some(data, table))


def _check_present(data: Sequence[TrainingData], table: VariableTable, present: dict[str, bool]) -> None:
    state = [variable.name for variable in table.state if not present[variable.name]]
    if state:
        log.warning("the training data lack %s; the model will not forecast them", ", ".join(state))

    forcing = [variable.name for variable in table.forcing if not present[variable.name]]
    if table.forcing and len(forcing) == len(table.forcing):
        raise InputError(
            f"the training data have no forcing ({', '.join(forcing)}); without at least the wind (uas, vas) "
            "the drift cannot be learned: add it to the files, on the same faces and times"
        )

    some = _in_some(data, table)
    wind = [one.name for one in table.forcing if one.vector is not None and one.name in some]
    if wind:
        raise InputError(
            f"forcing {', '.join(wind)} is in some of the training data and not in others; give it to all or none"
        )
    if some:
        log.warning(
            "some of the training data lack %s; the model is told where they are absent, and can forecast without them",
            ", ".join(some),
        )


def _in_some(data: Sequence[TrainingData], table: VariableTable) -> tuple[str, ...]:
    """Names of the variables that some of the data have and others lack."""
    return tuple(one.name for one in table.variables if len({part.present[one.name] for part in data}) > 1)


def stack_variables(dataset: xr.Dataset, variables: tuple[Variable, ...]) -> Array:
    """Stack variables along a last dimension: (..., F, variable) float32; zeros for a variable that is absent.

    Args:
        dataset: fields (..., face).
        variables: in the order of the channels.
    """
    shape = _shape_of_fields(dataset, variables)
    stacked = np.zeros((*shape, len(variables)), dtype=np.float32)

    for channel, variable in enumerate(variables):
        if variable.name in dataset:
            stacked[..., channel] = dataset[variable.name].values

    return stacked


def _shape_of_fields(dataset: xr.Dataset, variables: tuple[Variable, ...]) -> tuple[int, ...]:
    """Shape of the first variable in the dataset; if it has none of them, the sizes of its dimensions."""
    for variable in variables:
        if variable.name in dataset:
            return dataset[variable.name].shape

    return tuple(dataset.sizes[name] for name in ("trajectory", "time", "face") if name in dataset.dims)


def lead_steps(times: Array, lead_time: np.timedelta64) -> int:
    """Return the number of records in a lead time.

    Args:
        times: (T,) datetime64 of the records.
        lead_time: of one forecast step.

    Raises:
        InputError: the times are irregular, or the lead time is no multiple of their step or longer than the record.
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
