"""netCDF files and zarr stores as xarray datasets, with one kind of error for all that the libraries may raise.

A damaged header can declare arrays of any size, and xarray reads axes as soon as it opens a file. Sizes are therefore
checked first.
"""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Any

import netCDF4
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.safe.netcdf_header import check_header

log = logging.getLogger(__name__)

_ENGINES: dict[str, dict[str, Any]] = {
    ".nc": {"engine": "netcdf4"},
    ".nc4": {"engine": "netcdf4"},
    ".zarr": {"engine": "zarr", "consolidated": False},
}
_EXPANSION = {"NETCDF4": 1100, "NETCDF4_CLASSIC": 1100}  # deflate makes data at most 1032 times smaller

DATASET_SUFFIXES = frozenset(_ENGINES)
"""Suffixes of files and stores that :func:`opened_dataset` opens."""


@contextmanager
def opened_dataset(path: FilePath) -> Iterator[xr.Dataset]:
    """Open a netCDF file or zarr store for as long as values are read.

    Times that cannot be decoded stay numbers with their units: a mesh needs none, and readers of fields say what is
    wrong with them (:func:`~gensim_graph.io.times.times_of`).

    Raises:
        InputError: the file cannot be opened, or values cannot be read while it is open.
    """
    try:
        if path.suffix.lower() != ".zarr":
            _refuse_impossible(path)
        with _decoded(path) as dataset:
            yield dataset
    except InputError:
        raise
    except Exception as error:  # netCDF, HDF5, zarr and their codecs raise exceptions of all kinds
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"cannot be read as netCDF or zarr, it is damaged ({reason}); is it complete?") from error


def _decoded(path: FilePath) -> xr.Dataset:
    """Open a file; if its times cannot be decoded, only those that can."""
    engine = _ENGINES[path.suffix.lower()]
    try:
        with warnings.catch_warnings():  # of dates out of range, about which readers of fields say more
            warnings.simplefilter("ignore", xr.SerializationWarning)
            return xr.open_dataset(path, **engine)
    except Exception as error:  # of times: ValueError, OverflowError, OutOfBoundsDatetime and others
        try:
            raw = xr.open_dataset(path, decode_times=False, **engine)
        except Exception:
            raise error from None

    decoded = {}
    for name, column in raw.variables.items():
        if not {"units", "dtype"} & set(column.attrs):
            continue
        try:
            variable = xr.conventions.decode_cf_variable(name, column, mask_and_scale=False)
            variable[:1].load()  # decoding may fail as late as here
        except Exception as error:
            log.info("'%s' stays as it is in the file: %s", name, " ".join(str(error).split())[:120])
        else:
            decoded[name] = variable

    dataset = raw.assign(decoded)
    dataset.set_close(raw.close)  # a new dataset does not know the file

    return dataset


def _refuse_impossible(path: FilePath) -> None:
    """Refuse variables that are too large for the size of the file."""
    check_header(path)
    size = path.stat().st_size

    with netCDF4.Dataset(path) as content:
        most = _EXPANSION.get(content.data_model, 2) * size
        for variable in content.variables.values():
            if isinstance(variable.dtype, type):  # strings
                continue
            if math.prod(map(int, variable.shape)) * variable.dtype.itemsize > most:
                raise InputError(
                    f"'{variable.name}' {variable.shape} cannot be in a file of {size} bytes; the file is damaged"
                )
