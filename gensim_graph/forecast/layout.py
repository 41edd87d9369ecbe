"""The store of a forecast: topology, coordinates and empty fields of its full length, CF and UGRID inside.

Fields are chunked by batches of members, so that no two processes write to the same chunk, and by as many lead times as
make a chunk of about a megabyte. A subgroup ``restart`` says which forecast it is and holds what it goes on from; who
opens the store does not see it.
"""

import filecmp
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import xarray as xr
import zarr

from gensim_graph.errors import InputError
from gensim_graph.forecast.identity import Identity
from gensim_graph.forecast.request import Request, Starts
from gensim_graph.io import mesh_to_dataset
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import Variable

FORECAST_MARK = "gensim-graph forecast"
RESTART = "restart"

_CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class StoreLayout:
    """How a forecast lies in its store.

    Attributes:
        identity: of the forecast.
        steps: its length.
        batch: members in a chunk, computed together.
    """

    identity: Identity
    steps: int
    batch: int

    @property
    def members(self) -> int:
        """Members of the ensemble."""
        return int(self.identity["members"])

    def leads_together(self, faces: int) -> int:
        """Lead times in a chunk; it does not depend on the length, so that a forecast can grow."""
        return max(1, _CHUNK // (4 * self.batch * faces))


def read_layout(target: FilePath) -> StoreLayout | None:
    """The layout of the store at a path; None where there is nothing yet.

    Raises:
        InputError: something else is there.
    """
    if not target.exists():
        return None
    try:
        attrs = zarr.open_group(str(target / RESTART), mode="r").attrs
        return StoreLayout(dict(attrs["identity"]), int(attrs["steps"]), int(attrs["batch"]))  # type: ignore[arg-type]
    except Exception:  # whatever is there, it is not ours
        raise InputError(
            f"{target}: exists and is not a forecast of gensim-graph that can go on; choose another path with --out"
        ) from None


def check_place(target: FilePath) -> None:
    """Refuse a path that cannot become a forecast.

    Raises:
        InputError: another suffix, a missing folder, or something else at that path.
    """
    if target.suffix != ".zarr":
        raise InputError(f"{target}: a forecast is a zarr store; give it a name that ends in .zarr")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}; make it first")
    read_layout(target)


def lay_out(target: FilePath, layout: StoreLayout, model: Surrogate, starts: Starts, request: Request) -> None:
    """Make the store, or let it grow to its length; fields that are there stay.

    All metadata are made anew beside it and put in place file by file, those that others look at last: a run that is
    killed in between is mended by the next.
    """
    beside = target.with_name(f".{target.name}.layout")
    shutil.rmtree(beside, ignore_errors=True)

    try:
        _write(beside, layout, model, starts, request)
        if not target.exists():
            os.rename(beside, target)
            return

        files = [file.relative_to(beside) for file in beside.rglob("*") if file.is_file()]
        for file in sorted(files, key=lambda file: (file.parts[0] == RESTART, len(file.parts) == 1)):
            _put(beside / file, target / file)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(new: FilePath, old: FilePath) -> None:
    if not old.exists() or not filecmp.cmp(new, old, shallow=False):
        old.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, old)


def _write(path: FilePath, layout: StoreLayout, model: Surrogate, starts: Starts, request: Request) -> None:
    frame = _frame(layout, model, starts, request)
    since = "seconds since 1970-01-01"
    encoding: dict[str, Any] = {name: {"units": since, "dtype": "int64"} for name in ("valid_time", "initial_time")}
    encoding["lead_time"] = {"units": "seconds", "dtype": "int64"}
    frame.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    for _, variable in request.written(model):
        _create(group, variable, frame, layout)

    group.create_group(RESTART).attrs.update(
        {"identity": layout.identity, "steps": layout.steps, "batch": layout.batch}
    )
    with warnings.catch_warnings():  # one file of metadata: xarray opens the store at once. zarr has no standard for it
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))


def _frame(layout: StoreLayout, model: Surrogate, starts: Starts, request: Request) -> xr.Dataset:
    """Topology, coordinates and attributes."""
    leads = np.arange(0, layout.steps + 1, request.every) * model.lead_time.astype("timedelta64[ns]")
    dims = ("start", "lead_time") if starts.several else ("lead_time",)
    valid = starts.times[:, None] + leads
    members = np.arange(layout.members)

    frame = mesh_to_dataset(starts.mesh).assign_coords(
        member=("member", members, {"standard_name": "realization"}),
        lead_time=("lead_time", leads, {"standard_name": "forecast_period"}),
        valid_time=(dims, valid if starts.several else valid[0], {"standard_name": "time"}),
        initial_time=(
            dims[:-1],
            starts.times if starts.several else starts.times[0],
            {"standard_name": "forecast_reference_time"},
        ),
    )
    attrs = {
        "Conventions": "CF-1.8 UGRID-1.0",
        "source": FORECAST_MARK,
        "seed": request.seed,
        "precision": model.precision,
    }

    return frame.assign_attrs(attrs | {f"model_{key}": str(value) for key, value in model.information.items()})


def _create(group: zarr.Group, variable: Variable, frame: xr.Dataset, layout: StoreLayout) -> None:
    faces = frame.sizes["face"]
    sizes = {name: frame.sizes[name] for name in ("start", "member", "lead_time", "face") if name in frame.sizes}
    chunks = {"start": 1, "member": layout.batch, "lead_time": layout.leads_together(faces), "face": faces}
    where = {"mesh": "mesh", "location": "face", "coordinates": "valid_time initial_time"}

    group.create_array(
        variable.name,
        shape=tuple(sizes.values()),
        chunks=tuple(chunks[name] for name in sizes),
        dtype="float32",
        dimension_names=tuple(sizes),
        fill_value=float("nan"),
        attributes={**variable.attrs, **where, **({"grid_mapping": "crs"} if "crs" in frame else {})},
    )
