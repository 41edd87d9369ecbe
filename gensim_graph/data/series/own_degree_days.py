"""Degree days of training data that bring the air temperature along, but not its past."""

import logging

import numpy as np
import xarray as xr

from gensim_graph.data.series.degree_days import DEGREE_DAYS, DegreeDays
from gensim_graph.data.series.forcing_series import series_of
from gensim_graph.data.series.running_sums import TEMPERATURE
from gensim_graph.io import Records, mesh_from_dataset
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)

_SHARE_OF_RECORD = 0.1
"""Longest past that is added up, as a share of the record: at its beginning the past is not known."""


def with_own_degree_days(store: xr.Dataset, table: VariableTable) -> xr.Dataset:
    """Return trajectories with the degree days that the table has, they lack and their temperature gives.

    Degree days of a past longer than a tenth of the record are left out, because at the beginning of the record they
    are too small: nothing is added up before it.

    Args:
        store: trajectories on a mesh, from :func:`~gensim_graph.io.open_store`.
        table: the variable table.

    Raises:
        InputError: a record of the temperature is missing.
    """
    times = store["time"].values
    longest = (times[-1] - times[0]) * _SHARE_OF_RECORD
    slow = [one.name for one in table.slow if one.name not in store]
    names = [name for name in slow if name in DEGREE_DAYS and DEGREE_DAYS[name][1] <= longest]
    if TEMPERATURE not in store or not names:
        return store

    log.info("%s computed from %s of the training data", ", ".join(names), TEMPERATURE)
    temperature = VariableTable(tuple(one for one in table.forcing if one.name == TEMPERATURE))
    mesh = mesh_from_dataset(store)
    several = "trajectory" in store[TEMPERATURE].dims
    columns: dict[str, list[np.ndarray]] = {name: [] for name in names}

    for one in [store.isel(trajectory=index) for index in range(store.sizes["trajectory"])] if several else [store]:
        records = Records(one, mesh, temperature)
        days = DegreeDays(series_of([records], False, False)[0], mesh, names)
        rows = [days.at(time) for time in times]
        for name, column in columns.items():
            column.append(np.stack([row[name] for row in rows]))

    dims = store[TEMPERATURE].dims
    return store.assign({name: (dims, np.stack(one) if several else one[0]) for name, one in columns.items()})
