"""netCDF files and zarr stores that are filled a few records at a time, behind one interface."""

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

_TIME_UNITS = "seconds since 1970-01-01"
_ZARR_FILES = ("zarr.json", ".zgroup", ".zmetadata")


@dataclass(frozen=True)
class FileVariable:
    """A float32 variable of a new file, without its values.

    Attributes:
        dims: names of its dimensions.
        sizes: number of values along each dimension.
        chunks: size of a chunk along each dimension.
        attrs: CF attributes.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    chunks: tuple[int, ...]
    attrs: dict[str, Any]


class WritableFile(Protocol):
    """An open file that takes values: ``file[name][index] = values``."""

    def __getitem__(self, name: str) -> Any: ...


@contextmanager
def created_file(
    path: FilePath, suffix: str, template: xr.Dataset, variables: Mapping[str, FileVariable]
) -> Iterator[WritableFile]:
    """Create a netCDF file or zarr store and keep it open, so that its variables can be filled.

    Args:
        path: the new file, whatever its name.
        suffix: ``.nc`` or ``.zarr``.
        template: everything in the file except the variables to fill.
        variables: name -> variable to fill.
    """
    encoding = _encoding(template)
    created = _created_zarr if suffix == ".zarr" else _created_netcdf

    with created(path, template, variables, encoding) as content:
        yield content


@contextmanager
def _created_netcdf(
    path: FilePath, template: xr.Dataset, variables: Mapping[str, FileVariable], encoding: dict[str, Any]
) -> Iterator[WritableFile]:
    template.to_netcdf(path, format="NETCDF4", engine="netcdf4", encoding=encoding)

    with netCDF4.Dataset(path, "a") as content:
        content.set_auto_maskandscale(False)
        for name, one in variables.items():
            for dim, size in zip(one.dims, one.sizes, strict=True):
                if dim not in content.dimensions:
                    content.createDimension(dim, size)

            variable = content.createVariable(
                name, "f4", one.dims, zlib=True, complevel=1, fill_value=np.float32(np.nan), chunksizes=one.chunks
            )
            variable.setncatts(one.attrs)

        yield content.variables


@contextmanager
def _created_zarr(
    path: FilePath, template: xr.Dataset, variables: Mapping[str, FileVariable], encoding: dict[str, Any]
) -> Iterator[WritableFile]:
    template.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")

    yield {
        name: group.create_array(
            name,
            shape=one.sizes,
            chunks=one.chunks,
            dtype="float32",
            dimension_names=one.dims,
            fill_value=float("nan"),
            attributes=one.attrs,
        )
        for name, one in variables.items()
    }

    with warnings.catch_warnings():  # zarr warns that the standard of version 3 does not define this yet
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))


def check_replaceable(target: FilePath) -> None:
    """Refuse to replace a folder that is no zarr store, a file by a folder, or a folder by a file.

    Raises:
        InputError: something else exists under this name.
    """
    if not target.exists():
        return

    is_store = target.is_dir() and any((target / name).is_file() for name in _ZARR_FILES)
    is_zarr_path = target.suffix.lower() == ".zarr"
    if target.is_dir() != is_zarr_path or (target.is_dir() and not is_store):
        raise InputError(f"{target}: exists and is something else; choose another name")


def chunk_sizes(sizes: tuple[int, ...], dims: tuple[str, ...], records: tuple[str, ...]) -> tuple[int, ...]:
    """Return chunks that hold one record of one start or trajectory each.

    Args:
        sizes: number of values along each dimension.
        dims: names of the dimensions.
        records: names of the dimensions of records.
    """
    single = (*records, "start", "trajectory")
    return tuple(1 if name in single else size for name, size in zip(dims, sizes, strict=True))


def _encoding(template: xr.Dataset) -> dict[str, Any]:
    """Store times as whole seconds, or as fractional ones if they need it; other coordinates have no missing values."""
    found: dict[str, dict[str, Any]] = {}
    for name, column in template.variables.items():
        if column.dtype.kind in "mM":
            nanoseconds = column.values.astype(f"{column.dtype.kind}8[ns]").astype(np.int64)
            is_whole = bool((nanoseconds % 10**9 == 0).all())
            units = _TIME_UNITS if column.dtype.kind == "M" else "seconds"
            found[str(name)] = {"units": units, "dtype": "int64" if is_whole else "float64"}
        elif column.dtype.kind == "f":
            found[str(name)] = {"_FillValue": None}

    return found
