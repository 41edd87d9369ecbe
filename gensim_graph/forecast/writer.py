"""Stream a forecast to zarr: one lead time in memory at a time, CF/UGRID metadata, whole or not there at all."""

import warnings
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import xarray as xr
import zarr

from gensim_graph.errors import InputError
from gensim_graph.mesh.ugrid import mesh_from_dataset, mesh_to_dataset
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array, Path
from gensim_graph.writing import write_atomically

_MARK = "gensim-graph forecast"


def write_forecast(
    model: Surrogate,
    initial: xr.Dataset,
    forcing: xr.Dataset,
    out: Path,
    *,
    steps: int = 8,
    members: int = 16,
    seed: int = 0,
    batch: int = 8,
    on_step: Callable[[], object] | None = None,
) -> FilePath:
    """Forecast an ensemble into a zarr store of dims ((start,) member, lead_time, face).

    Args:
        model: the surrogate.
        initial: state at one time, or at several: each of them becomes a ``start``.
        forcing: forcing at the starts and at every valid time.
        out: the store, ``*.zarr``; an earlier forecast there is replaced when the new one is complete.
        steps, members, seed, batch: see :meth:`~gensim_graph.Surrogate.rollout`.
        on_step: called after every step, for a progress bar.

    Returns:
        The path of the store.

    Raises:
        InputError: wrong initial state or forcing, or a path that holds something else.
    """
    target = FilePath(out)
    check_place(target)
    if steps < 1 or members < 1:
        raise InputError(f"forecast: expected at least one step and one member; came steps={steps}, members={members}")
    times = np.atleast_1d(initial["time"].values)
    states = [initial] if initial["time"].ndim == 0 else [initial.isel(time=index) for index in range(len(times))]
    mesh = mesh_from_dataset(initial)
    for state in states:
        model.check_inputs(state, forcing, steps, mesh)
    runs = [model.rollout(state, forcing, steps, members, seed, batch, mesh) for state in states]

    def write(path: FilePath) -> None:
        frame, arrays = None, {}
        for start, run in enumerate(runs):
            for lead, fields in enumerate(run):
                if frame is None:
                    frame = _frame(model, initial, fields, steps, seed)
                    arrays = _create(path, frame, fields, len(runs), initial["time"].ndim > 0)
                where = (slice(None), lead) if initial["time"].ndim == 0 else (start, slice(None), lead)
                for name, array in arrays.items():
                    array[where] = fields[name].values
                if lead and on_step:
                    on_step()
        _consolidate(path)

    write_atomically(target, write)
    return target


def _consolidate(path: FilePath) -> None:
    """One file of metadata: xarray opens the store at once. zarr warns that version 3 has no standard for it yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))


def check_place(target: FilePath) -> None:
    """Refuse a path that exists and is no forecast of ours."""
    if target.suffix != ".zarr":
        raise InputError(f"{target}: a forecast is a zarr store; give it a name that ends in .zarr")
    if not target.exists():
        return
    try:
        ours = str(zarr.open_group(str(target), mode="r").attrs.get("source", "")).startswith(_MARK)
    except Exception:  # whatever is there, it is not ours
        ours = False
    if not ours:
        raise InputError(f"{target}: exists and is not a forecast of gensim-graph; choose another path with --out")


def _frame(model: Surrogate, initial: xr.Dataset, fields: xr.Dataset, steps: int, seed: int) -> xr.Dataset:
    """Topology, coordinates and attributes."""
    leads = np.arange(steps + 1) * model.lead_time.astype("timedelta64[ns]")
    times = initial["time"].values
    frame = mesh_to_dataset(mesh_from_dataset(initial)).assign_coords(
        member=("member", fields["member"].values, {"standard_name": "realization"}),
        lead_time=("lead_time", leads, {"standard_name": "forecast_period"}),
    )
    if times.ndim == 0:
        valid, start = ("lead_time", times + leads), ((), times)
    else:
        valid, start = (("start", "lead_time"), times[:, None] + leads), ("start", times)  # type: ignore[assignment]
    frame = frame.assign_coords(
        valid_time=(*valid, {"standard_name": "time"}),
        initial_time=(*start, {"standard_name": "forecast_reference_time"}),
    )
    attrs = {"Conventions": "CF-1.8 UGRID-1.0", "source": _MARK, "seed": seed}
    return frame.assign_attrs(attrs | {f"model_{key}": str(value) for key, value in model.information.items()})


def _create(path: FilePath, frame: xr.Dataset, fields: xr.Dataset, starts: int, several: bool) -> dict[str, zarr.Array]:
    """Write the frame and allocate the fields; a chunk is one lead time."""
    since = "seconds since 1970-01-01"
    encoding: dict[str, Any] = {name: {"units": since, "dtype": "int64"} for name in ("valid_time", "initial_time")}
    encoding["lead_time"] = {"units": "seconds", "dtype": "int64"}
    frame.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    dims = ("member", "lead_time", "face")
    sizes: Array | tuple[int, ...] = (fields.sizes["member"], frame.sizes["lead_time"], fields.sizes["face"])
    chunks = (sizes[0], 1, sizes[2])
    if several:
        dims, sizes, chunks = ("start", *dims), (starts, *sizes), (1, *chunks)  # type: ignore[assignment]
    arrays = {}
    for name, field in fields.data_vars.items():
        where = {"mesh": "mesh", "location": "face", "coordinates": "valid_time initial_time"}
        if "crs" in frame:
            where["grid_mapping"] = "crs"
        arrays[str(name)] = group.create_array(
            str(name),
            shape=sizes,
            chunks=chunks,
            dtype="float32",
            dimension_names=dims,
            fill_value=float("nan"),
            attributes={**field.attrs, **where},
        )
    return arrays
