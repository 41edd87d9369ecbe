"""Forcing with members: each member of a forecast is driven by its own weather."""

from collections.abc import Callable, Sequence

import numpy as np

from gensim_graph.data.forcing.forcing_in_time import Drivers, Forcing
from gensim_graph.data.series import DegreeDays, ForcingSeries
from gensim_graph.variables import VariableTable


class ForcingEnsemble(Forcing):
    """Forcing with members, such as those of a weather forecast; on its own it has the values of the first one.

    Member m of a forecast is driven by member m mod n.

    Args:
        members: forcing of each member, on one mesh, with the same times and variables.
    """

    def __init__(self, members: Sequence[Forcing]) -> None:
        first = members[0]
        super().__init__(first.series, first.mesh, first.table, first.degree_days)
        self.members = tuple(members)

    @property
    def n_members(self) -> int:
        """Number of members with forcing of their own."""
        return len(self.members)

    @property
    def origin(self) -> str:
        """The files, and the number of members."""
        return f"{super().origin} ({self.n_members} members)"

    def at(self, time: np.datetime64, members: Sequence[int] = ()) -> Drivers:
        """Return the forcing of some members at a time, (M, F, variable).

        Args:
            time: datetime64.
            members: numbers of members of a forecast; none for all members of the forcing.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        numbers = [member % self.n_members for member in members] or range(self.n_members)
        records = {number: self.members[number].at(time) for number in dict.fromkeys(numbers)}
        return Drivers(*(np.stack([records[number][part] for number in numbers]) for part in range(2)))

    def in_order(self, table: VariableTable) -> Forcing:
        """Return the forcing in the order of another table, see :meth:`Forcing.in_order`.

        Args:
            table: with all variables that were read.
        """
        return ForcingEnsemble([one.in_order(table) for one in self.members])

    def close(self) -> None:
        """Close the files of all members."""
        for one in self.members:
            one.close()

    def _with_sums(self, summed: Callable[[ForcingSeries], DegreeDays]) -> Forcing:
        known: dict[ForcingSeries | None, DegreeDays] = {}
        for one in self.members:
            if one.temperature is not None and one.temperature not in known:  # members may share it
                known[one.temperature] = summed(one.temperature)

        return ForcingEnsemble(
            [Forcing(one.series, one.mesh, one.table, known.get(one.temperature)) for one in self.members]
        )
