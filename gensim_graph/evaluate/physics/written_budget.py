"""Budgets that a forecast has written itself: transport and source of each step, with which nothing is estimated.

A forecast of this package has them on request (``sit_transport``, ``sit_source``, units of the variable per step). They
stand for the last step alone, so they are used only where the interval between two lead times is one step.
"""

import pandas as pd
import xarray as xr

WRITTEN_BUDGET, ESTIMATED_BUDGET = "written", "estimated"
"""How the dynamics of a budget were found: written by the forecast, or estimated from its drift."""


def written_terms(dataset: xr.Dataset, name: str, seconds: float) -> tuple[str, str] | None:
    """Return the names of transport and source of a variable, None if they were not written over such an interval.

    Args:
        dataset: forecast or truth.
        name: the variable, such as ``sit``.
        seconds: length of the interval.
    """
    transport, source = f"{name}_transport", f"{name}_source"
    if transport not in dataset or source not in dataset:
        return None

    interval = dataset[transport].attrs.get("interval")  # stores of an earlier version do not have it
    is_one_step = interval is not None and pd.Timedelta(interval).total_seconds() == seconds

    return (transport, source) if is_one_step else None
