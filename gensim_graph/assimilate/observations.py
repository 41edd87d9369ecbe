"""The class :class:`Observations`: a table with one row for each observed number.

Read ``observation_columns`` for the columns. Satellite products become rows in ``product_rows``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.assimilate.observation_columns import COLUMNS, Errors, checked_rows
from gensim_graph.assimilate.product_rows import product_rows
from gensim_graph.assimilate.superobservations import average_in_cells, thin
from gensim_graph.errors import InputError, check_type, naming
from gensim_graph.io import Source, expand
from gensim_graph.io.names import conversion
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Path
from gensim_graph.variables import VariableTable, default_variables

_LENGTHS = ("x", "y", "footprint")


@dataclass(frozen=True, eq=False, repr=False)
class Observations:
    """Observations of the ice, of any variables, places and times.

    Attributes:
        rows: table with the columns of :mod:`~gensim_graph.assimilate.observation_columns`, in the units of the
            variable table.

    Example:
        >>> import gensim_graph as gg
        >>> import pandas as pd
        >>> table = pd.DataFrame({"variable": ["sic", "sit"], "x": [0.0, 8e3], "y": [0.0, 4e3], "value": [95.0, 1.5],
        ...                       "error": [5.0, 0.3], "units": ["%", "m"], "time": "2020-03-01T12:00"})
        >>> gg.Observations.from_table(table)
        Observations(2: sic 1, sit 1; 2020-03-01T12:00)
    """

    rows: pd.DataFrame

    @classmethod
    def from_table(
        cls, source: pd.DataFrame | Path, error: Errors | None = None, table: VariableTable | None = None
    ) -> "Observations":
        """Take observations from a table, or from a CSV file.

        Args:
            source: columns as in :mod:`~gensim_graph.assimilate.observation_columns`; others are ignored.
            error: standard deviation of the errors of rows that give none, one number or by variable, in the units of
                the variable table.
            table: the variable table, by default the one that ships.

        Raises:
            InputError: a column is missing, a variable or unit is unknown, an error is not positive, or no value is
                left.
        """
        rows = source if isinstance(source, pd.DataFrame) else _read_csv(FilePath(source))
        with naming("observations" if isinstance(source, pd.DataFrame) else source):
            return cls(checked_rows(rows, table or default_variables(), error))

    @classmethod
    def from_dataset(
        cls,
        source: xr.Dataset | Path,
        mesh: Mesh | None = None,
        error: Errors | None = None,
        table: VariableTable | None = None,
    ) -> "Observations":
        """Take observations from a dataset, or from a netCDF file or zarr store.

        Args:
            source: variables of one dimension named as the columns of a table, with ``units``; or a gridded product
                (time, y, x) as for :func:`~gensim_graph.evaluate.open_observations`, each of whose cells becomes an
                observation.
            mesh: mesh of the forecast. Gridded products need it: cells near it are read, vectors are turned to its
                axes.
            error: standard deviation of the errors where the data give none, one number or by variable.
            table: the variable table, by default the one that ships.

        Raises:
            InputError: as :meth:`from_table`; a gridded product without a mesh.
        """
        if isinstance(source, xr.Dataset):
            return cls._of_dataset("observations", source, mesh, error, table or default_variables())

        path = FilePath(source)
        if not is_dataset(path):
            raise InputError(f"{path}: observations must be netCDF, zarr or CSV, and this is none of them")
        with naming(path), opened_dataset(path) as stored:
            return cls._of_dataset(path.name, stored, mesh, error, table or default_variables())

    @classmethod
    def _of_dataset(
        cls, name: str, ds: xr.Dataset, mesh: Mesh | None, error: Errors | None, table: VariableTable
    ) -> "Observations":
        if {"variable", "value"} <= set(ds.variables):
            return cls(checked_rows(_rows_of(ds), table, error))

        if mesh is None:
            raise InputError(
                f"{name}: it has no variables 'variable' and 'value' on one dimension. If it is a gridded product, "
                "give the mesh of the forecast too (mesh=)"
            )
        return cls(checked_rows(product_rows(ds, mesh, table, error), table, error))

    @classmethod
    def read(
        cls,
        source: Source | Sequence[Source],
        mesh: Mesh | None = None,
        error: Errors | None = None,
        table: VariableTable | None = None,
    ) -> "Observations":
        """Read observations from files of any kind: CSV, netCDF, zarr, tables and gridded products.

        Args:
            source: file, glob pattern, folder or dataset, or a list of them.
            mesh: as in :meth:`from_dataset`.
            error: as in :meth:`from_dataset`.
            table: the variable table, by default the one that ships.

        Raises:
            InputError: as :meth:`from_dataset`, or no such file.
        """
        parts = []
        for item in expand(source):
            is_text = not isinstance(item, xr.Dataset) and FilePath(item).suffix.lower() in (".csv", ".txt")
            parts.append(
                cls.from_table(FilePath(str(item)), error, table) if is_text
                else cls.from_dataset(item, mesh, error, table)
            )  # fmt: skip

        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence["Observations"]) -> "Observations":
        """Return the observations of several tables as one."""
        filled = [one.rows for one in parts if len(one)] or [one.rows for one in parts[:1]]
        return cls(pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0])

    @property
    def moments(self) -> Array:
        """The time that each value stands for, datetime64[ns]: that of an instant, or the middle of the period."""
        time, start = (self.rows[name].to_numpy().astype("datetime64[ns]") for name in ("time", "start"))
        return np.where(np.isnat(start), time, time - (time - start) / 2)

    @property
    def counts(self) -> dict[str, int]:
        """Variable -> number of its observations."""
        return {str(name): int(count) for name, count in self.rows["variable"].value_counts(sort=False).items()}

    def window(self, start: np.datetime64, end: np.datetime64) -> "Observations":
        """Return the observations whose :attr:`moments` lie after ``start`` and not after ``end``.

        So adjacent windows share no observation. A mean over a period belongs to the window with its middle.

        Args:
            start: the window begins after this time.
            end: last time of the window.
        """
        check_type("end", end, np.datetime64, "for instance np.datetime64('2020-03-01T12')")
        moments = self.moments
        return self._chosen((moments > start) & (moments <= end))

    def thinned(self, spacing: float) -> "Observations":
        """Return observations no two of which, of the same variable and time, are nearer than a distance.

        Of near ones, the one with the smallest error stays.

        Args:
            spacing: m.
        """
        return self._chosen(thin(self.rows, spacing))

    def averaged(self, mesh: Mesh, correlation: float = 0.0) -> "Observations":
        """Return super-observations: one for each cell, variable and time.

        Values are averaged with weights w ~ 1 / error^2. A share ``correlation`` of the error variances is common to
        the observations of a cell and does not average out:

            error^2 = (1 - c) sum w^2 error^2 + c (sum w error)^2

        Args:
            mesh: its cells; observations outside stay as they are.
            correlation: c, from 0 (independent errors) to 1 (the same error everywhere in a cell).

        Raises:
            InputError: the correlation is not between 0 and 1.
        """
        if not 0.0 <= correlation <= 1.0:
            raise InputError(f"correlation: expected a number from 0 to 1; came {correlation}")

        return replace(self, rows=average_in_cells(self.rows, mesh, correlation))

    def to_dataset(self, table: VariableTable | None = None) -> xr.Dataset:
        """Return a dataset with one dimension ``obs``, which :meth:`from_dataset` reads.

        Args:
            table: the variable table that gives the units, by default the one that ships.
        """
        known = table or default_variables()
        columns = {name: ("obs", self.rows[name].to_numpy()) for name in COLUMNS if name != "variable"}
        names = self.rows["variable"].to_numpy().astype(object)
        units = np.array([known[name].units for name in names], dtype=object)
        ds = xr.Dataset({"variable": ("obs", names), "units": ("obs", units), **columns})
        for name in _LENGTHS:
            ds[name].attrs["units"] = "m"

        return ds

    def _chosen(self, keep: Array) -> "Observations":
        return replace(self, rows=self.rows[keep].reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not len(self):
            return "Observations(none)"

        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        moments = self.moments
        times = [np.datetime_as_string(one, "m") for one in (moments.min(), moments.max())]
        return f"Observations({len(self)}: {counts}; {' to '.join(dict.fromkeys(times))})"


def _read_csv(path: FilePath) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        return pd.read_csv(path, comment="#", skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as reason:  # errors of the parser are ValueErrors
        raise InputError(f"{path}: cannot be read as CSV ({str(reason).splitlines()[0][:120]})") from None


def _rows_of(ds: xr.Dataset) -> pd.DataFrame:
    """Columns of a dataset with one dimension; lengths in m, the unit of the values as a column."""
    dims = ds["value"].dims
    if len(dims) != 1:
        raise InputError(f"'value' has dimensions {dims}; expected one, such as obs")

    columns = {str(name): column for name, column in ds.variables.items() if column.dims in (dims, ())}
    rows = pd.DataFrame({name: np.broadcast_to(column.values, ds["value"].shape) for name, column in columns.items()})
    for name in set(_LENGTHS) & set(rows):
        unit = columns[name].attrs.get("units", "m")
        change = conversion(unit, "m")
        if change is None:
            raise InputError(f"'{name}' is in '{unit}'; expected a length, such as m or km")
        rows[name] = rows[name] * change[0]

    unit = ds["value"].attrs.get("units")
    if unit is not None and "units" not in rows:
        rows["units"] = str(unit)

    return rows
