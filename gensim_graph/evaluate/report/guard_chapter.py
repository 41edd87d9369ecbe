"""Chapter on the distance of a forecast from the training data of its model, as the guard of the forecast wrote it.

The variables ``guard_...`` are explained in :mod:`gensim_graph.surrogate.guard`; this chapter needs no model.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.evaluate.pictures import guard_chart
from gensim_graph.evaluate.report.parts import Cell, Part, Picture, Table, Text, number_text
from gensim_graph.evaluate.verification import Verification

_PREFIX = "guard_"
_FAR, _RUNAWAY = 0.2, 0.5
"""Distances beyond the range, now and extrapolated, of which the forecast warned in the log."""


def guard_chapter(matched: Verification) -> Iterator[Part]:
    """Yield a sentence, curves and a table; nothing for a forecast without a guard.

    Args:
        matched: the forecast beside the truth.
    """
    fields = {name: matched.forecast[name] for name in map(str, matched.forecast.data_vars) if _is_guard(name)}
    fields = {name: field.load() for name, field in fields.items() if "guard_measure" in field.dims}
    if not fields:
        return

    yield Text(_sentence(fields, matched.lead_hours))
    yield Picture(
        guard_chart(_curves(fields, matched.lead_hours), [_quantity(field) for field in fields.values()]),
        "Beyond the training data",
        "Largest distance of a cell of any member beyond the range of the training data, in widths of the range, now "
        "and extrapolated by twelve steps. At 0.5, dotted, a value whose smallest is 0 is 1.5 times the largest of the "
        "training data.",
        f"Curves of the distance from the training data over lead time, one panel for each of {len(fields)} "
        "quantities.",
    )
    yield _table(fields)


def _is_guard(name: str) -> bool:
    return name.startswith(_PREFIX)


def _quantity(field: xr.DataArray) -> str:
    return str(field.attrs.get("quantity", field.name))


def _largest(field: xr.DataArray, measure: str) -> xr.DataArray:
    """Largest value over starts and members, (lead_time)."""
    chosen = field.sel(guard_measure=measure)
    return chosen.max([dim for dim in chosen.dims if dim != "lead_time"])


def _sentence(fields: dict[str, xr.DataArray], hours: np.ndarray) -> str:
    """Say which quantities the forecast warned of, and from which lead time on."""
    alarms = []
    for field in fields.values():
        alarming = (_largest(field, "beyond") > _FAR) | (_largest(field, "ahead") > _RUNAWAY)
        if alarming.any():
            alarms.append(f"{_quantity(field)} from +{hours[int(alarming.values.argmax())]:g} h on")

    if not alarms:
        return "The forecast stays near the states and the forcing that the model was trained on."
    return (
        f"The forecast leaves what the model was trained on: {'; '.join(alarms)}. Do not trust it from there on: check "
        "the initial state and the forcing, or train on data with such states."
    )


def _curves(fields: dict[str, xr.DataArray], hours: np.ndarray) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "model": label,
                "lead_hours": hours,
                "quantity": _quantity(field),
                "beyond": _largest(field, measure).values,
            }
        )
        for field in fields.values()
        for measure, label in (("beyond", "forecast"), ("ahead", "extrapolated"))
    ]
    return pd.concat(parts, ignore_index=True)


def _table(fields: dict[str, xr.DataArray]) -> Table:
    caption = (
        "Range of the training data; largest distance of the domain mean from theirs, in their standard deviations; "
        "and largest standard deviation over the domain, divided by theirs"
    )
    columns = ["quantity", "smallest", "largest", "units", "distance of the mean", "ratio of the deviation"]
    return Table(caption, columns, [_row(field) for field in fields.values()])


def _row(field: xr.DataArray) -> list[Cell]:
    limits = [field.attrs.get(f"training_{end}", np.nan) for end in ("minimum", "maximum")]
    mean, deviation = (abs(field.sel(guard_measure=one)).max() for one in ("mean", "deviation"))
    numbers = [number_text(float(value), 3) for value in (*limits, mean, deviation)]

    units = str(field.attrs.get("training_units", ""))
    texts = [_quantity(field), *numbers[:2], units, *numbers[2:]]
    return [Cell(text) for text in texts]
