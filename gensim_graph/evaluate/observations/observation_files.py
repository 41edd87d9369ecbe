"""Opening of observations: the files of a product, read for the time and the mesh of a forecast."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.evaluate.observations.forecast_fields import ForecastFields
from gensim_graph.evaluate.observations.observed import ObservedField, ObservedProduct, Periods
from gensim_graph.evaluate.observations.products import (
    ProductCells,
    ProductReader,
    is_own_layout,
    read_own_layout,
)
from gensim_graph.io import Source, expand
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.mesh import Mesh


def open_observations(source: Source | Sequence[Source], forecast: xr.Dataset) -> list[ObservedProduct]:
    """Read observations as their products come, for the comparison with a forecast.

    Concentration, thickness, velocity or displacement of the ice on any grid; one variable is enough. Gaps stay gaps.
    Values that the product flags as land, interpolated or rejected are left out. Only records during the forecast and
    cells near its mesh are read.

    Args:
        source: file, glob pattern, folder or dataset, or a list of them. Files on the same grid become one product.
        forecast: dims ([start], [member], lead_time, face), with its mesh.

    Returns:
        One entry per grid and set of variables, for :func:`~gensim_graph.evaluate.score_observations`.

    Raises:
        InputError: a file that cannot be read, no time of the forecast, no variable of it, cells elsewhere, or no value
            that is not missing or flagged.
    """
    fields = ForecastFields(forecast)
    return open_products(source, fields.mesh, fields.starts.min(), fields.valid_times.max(), fields.names)


def open_products(
    source: Source | Sequence[Source],
    mesh: Mesh,
    first: np.datetime64,
    last: np.datetime64,
    names: tuple[str, ...],
) -> list[ObservedProduct]:
    """Read observations of some variables near a mesh, as :func:`open_observations` does for a forecast.

    Args:
        source: as there.
        mesh: cells near it are read; vectors are turned to its axes.
        first: records that end before this time are left out.
        last: records that begin after this time are left out.
        names: variables of the variable table.

    Raises:
        InputError: as there.
    """
    reader = ProductReader(ProductCells(mesh), first, last, names)
    found = []
    items = expand(source)

    for item in items:
        with _opened(item) as (name, stored), naming(name):
            read = read_own_layout(reader, name, stored) if is_own_layout(stored) else reader.read(name, stored)
            if read is not None:
                found.append(read)

    if not found:
        raise InputError(_no_overlap(items, reader))
    joined = _joined(found)
    for one in joined:
        _check_values(one)

    return joined


@contextmanager
def _opened(item: Source) -> Iterator[tuple[str, xr.Dataset]]:
    if isinstance(item, xr.Dataset):
        yield str(item.encoding.get("source", "dataset")), item
        return

    path = FilePath(item)
    if not is_dataset(path):
        raise InputError(f"{path}: observations must be netCDF or zarr, and this is neither")
    with naming(path), opened_dataset(path) as stored:
        yield path.name, stored


def _no_overlap(items: Sequence[Source], reader: ProductReader) -> str:
    first, last = (np.datetime_as_string(time, "m") for time in (reader.first, reader.last))
    seen = [
        np.datetime_as_string(times, "m")
        for times in (min(one[0] for one in reader.seen), max(one[1] for one in reader.seen))
    ]
    names = ", ".join("dataset" if isinstance(item, xr.Dataset) else FilePath(item).name for item in items[:3])
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return (
        f"{names}{more}: no record lies in the time of the forecast, {first} to {last}; the records are from {seen[0]} "
        f"to {seen[1]}. Give observations of the same days"
    )


def _joined(found: Sequence[ObservedProduct]) -> list[ObservedProduct]:
    """Join files on the same grid with the same variables and kind of period."""
    groups: dict[tuple, list[ObservedProduct]] = {}
    for one in found:
        key = (one.cells.hash, tuple(one.fields), one.periods.is_mean, one.is_displacement, one.is_over_ice)
        groups.setdefault(key, []).append(one)

    return [_concatenated(group) for group in groups.values()]


def _concatenated(group: Sequence[ObservedProduct]) -> ObservedProduct:
    first = group[0]
    if len(group) == 1:
        return first

    bounds = np.concatenate([one.periods.bounds for one in group])
    periods = Periods(bounds, first.periods.is_mean, first.periods.origin)
    fields = {name: _joined_field([one.fields[name] for one in group]) for name in first.fields}

    return replace(first, name=f"{first.name} and {len(group) - 1} more", periods=periods, fields=fields)


def _joined_field(parts: Sequence[ObservedField]) -> ObservedField:
    errors = [part.error for part in parts]
    known = [error for error in errors if error is not None]
    return ObservedField(
        np.concatenate([part.values for part in parts]),
        np.concatenate(known) if len(known) == len(errors) else None,
        sum(part.flagged for part in parts),
        tuple(dict.fromkeys(flag for part in parts for flag in part.flags)),
    )


def _check_values(product: ObservedProduct) -> None:
    """Refuse a product without any value."""
    if any(np.isfinite(field.values).any() for field in product.fields.values()):
        return

    parts = []
    for name, field in product.fields.items():
        flags = f" ({', '.join(field.flags)})" if field.flags else ""
        parts.append(f"'{name}': {field.flagged} of {field.values.size} flagged{flags}, the others missing")

    raise InputError(
        f"{product.name}: no value near the mesh of the forecast is left: {'; '.join(parts)}. Is the mesh in the "
        "hole of the product, or on land?"
    )
