"""Observed fields on the cells of their product, with the periods that they stand for and their uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Periods:
    """The time that each record of a product stands for.

    Attributes:
        bounds: (R, 2) datetime64[ns], begin and end. Of an instant, they are as far from it as a valid time of the
            forecast may be.
        is_mean: True for means over the periods, False for instants in their middle.
        origin: where the periods come from, in words.
    """

    bounds: Array
    is_mean: bool
    origin: str

    @property
    def hours(self) -> Array:
        """Length of each period, (R,) h."""
        return (self.bounds[:, 1] - self.bounds[:, 0]) / np.timedelta64(1, "h")

    def __getitem__(self, records: Array) -> "Periods":
        """Return the periods of some records."""
        return Periods(self.bounds[records], self.is_mean, self.origin)


@dataclass(frozen=True)
class ObservedField:
    """Observed values of one variable.

    Attributes:
        values: (R, C) in the unit of the variable table, vectors along the axes of the mesh of the forecast; NaN where
            nothing was observed.
        error: (R, C) standard deviation of their error, in the same unit; None if the product does not give it.
        flagged: number of values that the flags of the product reject.
        flags: meanings of these flags.
    """

    values: Array
    error: Array | None = None
    flagged: int = 0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObservedProduct:
    """Observations of one product, as :func:`~gensim_graph.evaluate.open_observations` returns them.

    Attributes:
        name: the file or files.
        cells: cells of the product near the mesh of the forecast, in its plane.
        periods: the period of each record.
        fields: variable -> observed values. Drift is given as the mean velocity over the period, ``siu`` and ``siv``.
        is_displacement: True if the product gives displacements; they are scored in km.
        is_over_ice: True if its thickness ``sit`` is averaged over the ice only and it gives no concentration; the
            forecast's ``sit`` is then divided by its ``sic``.
        notes: what was done to the values, in words.
    """

    name: str
    cells: Mesh
    periods: Periods
    fields: Mapping[str, ObservedField]
    is_displacement: bool = False
    is_over_ice: bool = False
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        first, last = (
            np.datetime_as_string(time, "m") for time in (self.periods.bounds[0, 0], self.periods.bounds[-1, 1])
        )
        names = ", ".join(self.fields)
        return f"ObservedProduct({self.name}: {names}; {len(self.periods.bounds)} records from {first} to {last})"
