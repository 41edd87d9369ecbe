"""Forcing at any time, read from records that can be interpolated in time and repeated year by year.

Variables may come from several sets of files, each with its own times (:mod:`~gensim_graph.data.series`).
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gensim_graph.data.series import DEGREE_DAYS, TEMPERATURE, DegreeDays, ForcingSeries
from gensim_graph.io.export import FieldValues
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

log = logging.getLogger(__name__)


class Drivers(NamedTuple):
    """Forcing and slow inputs at one time, in the order of the variable table; zeros for absent variables.

    Attributes:
        forcing: (F, forcing) float32; (M, F, forcing) for members with forcing of their own.
        slow: (F, slow) or (M, F, slow) float32.
    """

    forcing: Array
    slow: Array

    @property
    def digest(self) -> str:
        """SHA-256 of all values."""
        return hashlib.sha256(self.forcing.tobytes() + self.slow.tobytes()).hexdigest()


class Forcing:
    """Forcing on a mesh, made by :func:`~gensim_graph.open_forcing`.

    Files are opened when they are read, in each process that reads them, until :meth:`close`.

    Attributes:
        mesh: the mesh.
        times: (T,) datetime64[ns] of all records.
        names: variables that it has.
        series: the variables, by the times of their records.
        degree_days: slow inputs that are computed; None for none.
    """

    def __init__(
        self,
        series: Sequence[ForcingSeries],
        mesh: Mesh,
        table: VariableTable,
        degree_days: DegreeDays | None = None,
    ) -> None:
        self.mesh, self.table = mesh, table
        self.series, self.degree_days = tuple(series), degree_days
        self.times = np.unique(np.concatenate([one.times for one in series]))
        self.names = frozenset(name for one in series for name in one.names) | frozenset(
            () if degree_days is None else degree_days.names
        )

    @property
    def origin(self) -> str:
        """The files, for the history of a forecast."""
        return "; ".join(dict.fromkeys(one.origin for one in self.series))

    @property
    def n_members(self) -> int:
        """Number of members with forcing of their own; 1 if all members of a forecast share it."""
        return 1

    def at(self, time: np.datetime64, members: Sequence[int] = ()) -> Drivers:
        """Return the forcing at a time.

        Args:
            time: datetime64.
            members: numbers of members of a forecast; here all have the same forcing.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        values = self.values_at(time)
        return Drivers(*(self._stacked(values, group) for group in (self.table.forcing, self.table.slow)))

    def values_at(self, time: np.datetime64, faces: Array | None = None, slow: bool = True) -> FieldValues:
        """Return the variables that the forcing has at a time.

        Args:
            time: datetime64.
            faces: (n,) numbers of the faces; None for all.
            slow: with the slow inputs; False leaves them out.

        Returns:
            Variable -> (F,) or (n,) float32.

        Raises:
            InputError: see :meth:`at`.
        """
        unwanted = frozenset() if slow else frozenset(variable.name for variable in self.table.slow)
        values: FieldValues = {}
        for one in self.series:
            if not unwanted.issuperset(one.names):
                values |= one.at(time, faces)
        if slow and self.degree_days is not None:
            values |= self.degree_days.at(time, faces)

        return values

    def check(self, times: Array) -> None:
        """Check that there are values at all of these times, without reading them.

        Args:
            times: (T,) datetime64.

        Raises:
            InputError: there are none at one of the times; the message names the first.
        """
        for time in times:
            for one in self.series:
                one.around(time)

    def with_degree_days(self, names: Sequence[str], times: Array | None = None) -> "Forcing":
        """Return the forcing with degree days, which are computed from its temperature.

        Args:
            names: slow inputs to compute, such as ``fdd_year``; those that cannot be computed are left out.
            times: (T,) datetime64 at which they are needed; None for all times of the temperature.

        Raises:
            InputError: the temperature has a gap, or cannot be read.
        """
        chosen = [name for name in names if name in DEGREE_DAYS and name not in self.names]
        temperature = self.temperature
        if temperature is None or not chosen:
            return self

        begins = np.datetime_as_string(temperature.times[0], "m")
        log.warning(
            "forcing: %s computed from %s of %s, which begins at %s; before that nothing is added up",
            ", ".join(chosen), TEMPERATURE, temperature.origin, begins,
        )  # fmt: skip
        first, last = (None, None) if times is None else (times.min(), times.max())
        return self._with_sums(lambda series: DegreeDays(series, self.mesh, chosen, first, last))

    @property
    def temperature(self) -> ForcingSeries | None:
        """The series with the temperature of the air."""
        return next((one for one in self.series if TEMPERATURE in one.names), None)

    def in_order(self, table: VariableTable) -> "Forcing":
        """Return the forcing with its variables in the order of another table, before degree days were added.

        Args:
            table: with all variables that were read.
        """
        return Forcing(self.series, self.mesh, table)

    def _with_sums(self, summed: Callable[[ForcingSeries], DegreeDays]) -> "Forcing":
        """The forcing with degree days of its temperature, which it has."""
        assert self.temperature is not None
        return Forcing(self.series, self.mesh, self.table, summed(self.temperature))

    def close(self) -> None:
        """Close the files."""
        for one in self.series:
            one.close()

    def _stacked(self, values: FieldValues, variables: tuple[Variable, ...]) -> Array:
        columns = np.zeros((self.mesh.n_faces, len(variables)), dtype=np.float32)
        for channel, variable in enumerate(variables):
            if variable.name in values:
                columns[:, channel] = values[variable.name]
        return columns
