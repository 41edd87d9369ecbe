"""Layout of a forecast in its store: topology, coordinates and empty fields of the full length, by CF and UGRID.

A chunk holds the members of one work unit, so that no two processes write to the same chunk, and as many lead times as
make about a megabyte. The subgroup ``restart`` holds the identity of the forecast and its restart files; xarray does
not show it when it opens the store.
"""

import filecmp
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import xarray as xr
import zarr

from gensim_graph.errors import InputError
from gensim_graph.forecast.identity import Identity
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.several_models import ModelSet
from gensim_graph.forecast.starts import Starts
from gensim_graph.surrogate import topology_with_places
from gensim_graph.surrogate.guard import GUARD_DIMENSION, GUARD_MEASURES, GuardField
from gensim_graph.system import check_space
from gensim_graph.variables import Variable

RESTART = "restart"

INNOVATIONS = "innovations"
"""Folder in the store with a file for each step and work unit that had observations."""

_AUXILIARY = ("valid_time", "initial_time", "lon", "lat", "model")
_CHUNK_BYTES = 2**20
_BYTES_PER_VALUE = 4  # float32
_GUARD_LEADS = 1024
"""Lead times in a chunk of the guard: few files, and little that is written again with each step."""


@dataclass(frozen=True)
class StoreLayout:
    """Identity, length and chunks of a forecast in its store.

    Attributes:
        identity: what distinguishes the forecast from others.
        steps: number of forecast steps.
        batch: number of members of a work unit, and in a chunk.
    """

    identity: Identity
    steps: int
    batch: int

    @property
    def members(self) -> int:
        """Number of members of the ensemble."""
        return int(self.identity["members"])

    def leads_per_chunk(self, faces: int) -> int:
        """Return the number of lead times in a chunk; it is the same for any length, so that a forecast can grow."""
        return max(1, _CHUNK_BYTES // (_BYTES_PER_VALUE * self.batch * faces))


def read_layout(target: FilePath) -> StoreLayout | None:
    """Read the layout of the forecast at a path; return None if there is nothing yet.

    Raises:
        InputError: there is something else at the path.
    """
    if not target.exists():
        return None
    try:
        attrs = zarr.open_group(str(target / RESTART), mode="r").attrs
        return StoreLayout(dict(attrs["identity"]), int(attrs["steps"]), int(attrs["batch"]))  # type: ignore[arg-type]
    except Exception:  # any error means that it is not a forecast of ours
        raise InputError(
            f"{target}: exists and is not a forecast of gensim-graph that can go on; choose another path with --out"
        ) from None


def check_place(target: FilePath) -> None:
    """Check that a forecast can be written to a path: it is free, or it holds a forecast.

    Raises:
        InputError: a name without ``.zarr``, a missing folder, something else at the path, or a place that cannot be
            written.
    """
    if target.suffix != ".zarr":
        raise InputError(f"{target}: a forecast is a zarr store; give it a name that ends in .zarr")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}; make it first")
    read_layout(target)
    check_space(target, beside=True)


def check_forecast_space(target: FilePath, layout: StoreLayout, starts: Starts, request: Request) -> None:
    """Check that the disk has room for a forecast, or for what is left of it; its float32 values compress to half.

    Args:
        target: the store; what it holds already needs no more room.
        layout: layout of the store.
        starts: initial states.
        request: what is asked for.

    Raises:
        InputError: the disk has too little free space.
    """
    variables = (len(request.variables) or starts.states.shape[-1]) + 4 * request.budget
    states = (1 + layout.steps // request.every) * layout.members * len(starts.times)
    present = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    check_space(target, 0.5 * _BYTES_PER_VALUE * states * variables * starts.mesh.n_faces - present, beside=True)


def create_or_extend_store(
    target: FilePath,
    layout: StoreLayout,
    models: ModelSet,
    starts: Starts,
    request: Request,
    forcing: str,
    guard: Sequence[GuardField] = (),
) -> None:
    """Create the store, or extend its metadata to a longer forecast; existing fields stay.

    The metadata are written to a folder beside the store and moved into it file by file. Files that tell other
    processes the new length are moved last. If a run is killed in between, the next one repeats the move.

    Args:
        target: the store.
        layout: layout of the store.
        models: of the forecast.
        starts: initial states.
        request: what the user asks for.
        forcing: origin of the forcing, for the history of the store.
        guard: variables of the guard.
    """
    attrs = models.provenance(starts.described_origin, forcing, request.seed, layout.members)
    attrs |= _begun(target)
    beside = target.with_name(f".{target.name}.layout")
    shutil.rmtree(beside, ignore_errors=True)

    try:
        _write_empty_store(beside, layout, models, starts, request, attrs, guard)
        if not target.exists():
            os.rename(beside, target)
            return

        # Arrays first, then the metadata of the whole store, and last the group that other processes wait for.
        files = [file.relative_to(beside) for file in beside.rglob("*") if file.is_file()]
        for file in sorted(files, key=lambda file: (file.parts[0] == RESTART, len(file.parts) == 1)):
            _replace_if_changed(target / file, beside / file)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace_if_changed(old: FilePath, new: FilePath) -> None:
    if not old.exists() or not filecmp.cmp(new, old, shallow=False):
        old.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, old)


def _begun(target: FilePath) -> dict[str, str]:
    """Attributes of an existing store that stay when the forecast goes on: when it began, and with which version.

    A store of a version that did not write them has none of them later either.
    """
    if not target.exists():
        return {}
    existing = zarr.open_group(str(target), mode="r").attrs
    return {name: str(existing.get(name, "not recorded")) for name in ("history", "date_created", "software")}


def _write_empty_store(
    path: FilePath,
    layout: StoreLayout,
    models: ModelSet,
    starts: Starts,
    request: Request,
    attrs: dict[str, Any],
    guard: Sequence[GuardField],
) -> None:
    """Write a store with all metadata and coordinates, but without fields.

    Args:
        path: path of the store.
        layout: layout of the store.
        models: of the forecast.
        starts: initial states.
        request: what the user asks for.
        attrs: attributes of the store.
        guard: variables of the guard.
    """
    coordinates = _coordinates(layout, models, starts, request).assign_attrs(attrs)
    if guard:
        names = np.array([*GUARD_MEASURES], dtype=object)
        coordinates = coordinates.assign_coords({GUARD_DIMENSION: (GUARD_DIMENSION, names, GUARD_MEASURES)})
    since = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    encoding = {"valid_time": since, "initial_time": since, "lead_time": {"units": "seconds", "dtype": "int64"}}
    coordinates.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    for _, variable in request.written_variables(models.first):
        _create_array(group, variable, coordinates, layout)
    for field in guard:
        _create_guard_array(group, field, coordinates, layout)

    group.create_group(RESTART).attrs.update(
        {"identity": layout.identity, "steps": layout.steps, "batch": layout.batch}
    )
    # One file with all metadata: xarray opens the store at once. zarr warns that this is not in its standard yet.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))


def _coordinates(layout: StoreLayout, models: ModelSet, starts: Starts, request: Request) -> xr.Dataset:
    """Build the dataset of the store without its fields: topology and coordinates.

    Args:
        layout: layout of the store.
        models: of the forecast.
        starts: initial states.
        request: what the user asks for.
    """
    leads = np.arange(0, layout.steps + 1, request.every) * models.first.lead_time.astype("timedelta64[ns]")
    dims = ("start", "lead_time") if starts.has_dimension else ("lead_time",)
    initial_times = starts.times
    valid_times = starts.times[:, None] + leads
    if not starts.has_dimension:
        initial_times, valid_times = initial_times[0], valid_times[0]

    coordinates = topology_with_places(starts.mesh).assign_coords(
        member=("member", np.arange(layout.members), {"standard_name": "realization"}),
        lead_time=("lead_time", leads, {"standard_name": "forecast_period"}),
        valid_time=(dims, valid_times, {"standard_name": "time"}),
        initial_time=(dims[:-1], initial_times, {"standard_name": "forecast_reference_time"}),
    )
    if not models.has_several:
        return coordinates

    names = np.array(models.names_of_members(layout.members), dtype=object)
    return coordinates.assign_coords(model=("member", names, {"long_name": "trained model that forecasts the member"}))


def _create_array(group: zarr.Group, variable: Variable, coordinates: xr.Dataset, layout: StoreLayout) -> None:
    """Create the empty field of a variable, full of NaN.

    Args:
        group: the store.
        variable: an entry of the variable table.
        coordinates: dataset of the store without its fields.
        layout: layout of the store.
    """
    dims = [name for name in ("start", "member", "lead_time", "face") if name in coordinates.sizes]
    faces = coordinates.sizes["face"]
    chunks = {"start": 1, "member": layout.batch, "lead_time": layout.leads_per_chunk(faces), "face": faces}
    attrs: dict[str, Any] = {
        **variable.attrs,
        "mesh": "mesh",
        "location": "face",
        "coordinates": " ".join(name for name in _AUXILIARY if name in coordinates.coords),
    }
    if "crs" in coordinates:
        attrs["grid_mapping"] = "crs"

    group.create_array(
        variable.name,
        shape=tuple(coordinates.sizes[name] for name in dims),
        chunks=tuple(chunks[name] for name in dims),
        dtype="float32",
        dimension_names=tuple(dims),
        fill_value=float("nan"),
        attributes=attrs,
    )


def _create_guard_array(group: zarr.Group, field: GuardField, coordinates: xr.Dataset, layout: StoreLayout) -> None:
    """Create the empty array of a variable of the guard, full of NaN.

    Args:
        group: the store.
        field: variable of the guard.
        coordinates: dataset of the store without its fields.
        layout: layout of the store.
    """
    dims = [name for name in ("start", "member", "lead_time", GUARD_DIMENSION) if name in coordinates.sizes]
    measures = coordinates.sizes[GUARD_DIMENSION]
    chunks = {"start": 1, "member": layout.batch, "lead_time": _GUARD_LEADS, GUARD_DIMENSION: measures}

    group.create_array(
        field.name,
        shape=tuple(coordinates.sizes[name] for name in dims),
        chunks=tuple(chunks[name] for name in dims),
        dtype="float32",
        dimension_names=tuple(dims),
        fill_value=float("nan"),
        attributes={**field.attrs, "coordinates": "valid_time initial_time"},
    )
