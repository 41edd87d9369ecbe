"""netCDF and zarr that are filled record by record, with one interface for both."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol

import netCDF4
import numpy as np
import xarray as xr
import zarr

from gensim_graph.errors import InputError

_SINCE = "seconds since 1970-01-01"


@dataclass(frozen=True)
class Column:
    """A float32 variable to be filled.

    Attributes:
        dims, sizes, chunks: of the variable.
        attrs: CF attributes.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    chunks: tuple[int, ...]
    attrs: dict[str, Any]


class Filled(Protocol):
    """Something that takes values: ``store[name][where] = values``."""

    def __getitem__(self, name: str) -> Any: ...


@contextmanager
def created(path: FilePath, suffix: str, frame: xr.Dataset, columns: Mapping[str, Column]) -> Iterator[Filled]:
    """A new netCDF file or zarr store with all of ``frame``, and columns to fill while it is open."""
    encoding = _encoding(frame)
    if suffix == ".zarr":
        with _zarr(path, frame, columns, encoding) as arrays:
            yield arrays
        return

    frame.to_netcdf(path, format="NETCDF4", engine="netcdf4", encoding=encoding)
    with netCDF4.Dataset(path, "a") as content:
        content.set_auto_maskandscale(False)
        for name, one in columns.items():
            for dim, size in zip(one.dims, one.sizes, strict=True):
                if dim not in content.dimensions:
                    content.createDimension(dim, size)

            variable = content.createVariable(
                name, "f4", one.dims, zlib=True, complevel=1, fill_value=np.float32(np.nan), chunksizes=one.chunks
            )
            variable.setncatts(one.attrs)

        yield content.variables


@contextmanager
def _zarr(
    path: FilePath, frame: xr.Dataset, columns: Mapping[str, Column], encoding: dict[str, Any]
) -> Iterator[Mapping[str, zarr.Array]]:
    frame.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    yield {
        name: group.create_array(
            name, shape=one.sizes, chunks=one.chunks, dtype="float32", dimension_names=one.dims,
            fill_value=float("nan"), attributes=one.attrs,
        )
        for name, one in columns.items()
    }  # fmt: skip

    with warnings.catch_warnings():  # zarr warns that version 3 has no standard for it yet
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))


def check_store(target: FilePath) -> None:
    """Refuse to replace a folder that is no zarr store, and a file by a folder or the other way round.

    Raises:
        InputError: something else is there.
    """
    if not target.exists():
        return
    is_store = target.is_dir() and any((target / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))
    if target.is_dir() != (target.suffix.lower() == ".zarr") or (target.is_dir() and not is_store):
        raise InputError(f"{target}: exists and is something else; choose another name")


def _encoding(frame: xr.Dataset) -> dict[str, Any]:
    """Times as whole seconds, or as seconds with a fraction where they have one; coordinates have no gaps."""
    found: dict[str, dict[str, Any]] = {}
    for name, column in frame.variables.items():
        if column.dtype.kind in "mM":
            whole = bool((column.values.astype(f"{column.dtype.kind}8[ns]").astype(np.int64) % 10**9 == 0).all())
            unit = _SINCE if column.dtype.kind == "M" else "seconds"
            found[str(name)] = {"units": unit, "dtype": "int64" if whole else "float64"}
        elif column.dtype.kind == "f":
            found[str(name)] = {"_FillValue": None}

    return found


def chunks_of(sizes: tuple[int, ...], dims: tuple[str, ...], records: tuple[str, ...]) -> tuple[int, ...]:
    """One record, and one start, a chunk."""
    return tuple(
        1 if name in (*records, "start", "trajectory") else size for name, size in zip(dims, sizes, strict=True)
    )
