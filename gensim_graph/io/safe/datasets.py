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
from zarr.storage import ZipStore

from gensim_graph.errors import InputError
from gensim_graph.io.safe.content import is_zarr, refuse_other_content, zarr_root_in
from gensim_graph.io.safe.netcdf_header import check_header
from gensim_graph.io.safe.read_once import ReadOnceStore

log = logging.getLogger(__name__)

_EXPANSION = {"NETCDF4": 1100, "NETCDF4_CLASSIC": 1100}  # deflate makes data at most 1032 times smaller


@contextmanager
def opened_dataset(path: FilePath, read_once: bool = False) -> Iterator[xr.Dataset]:
    """Open a netCDF file or zarr store for as long as values are read.

    Times that cannot be decoded stay numbers with their units: a mesh needs none, and readers of fields say what is
    wrong with them (:func:`~gensim_graph.io.times.times_of`).

    Args:
        path: the file or folder.
        read_once: chunks of a zarr store do not stay in the memory of the operating system.

    Raises:
        InputError: the file cannot be opened, or values cannot be read while it is open.
    """
    try:
        if not is_zarr(path):
            refuse_other_content(path)
            _refuse_impossible(path)
        with _source(path, read_once) as (source, options), _closed_afterwards(_decoded(source, options)) as dataset:
            yield _without_repeated_dims(dataset)
    except InputError:
        raise
    except Exception as error:  # netCDF, HDF5, zarr and their codecs raise exceptions of all kinds
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"cannot be read as netCDF or zarr, it is damaged ({reason}); is it complete?") from error


@contextmanager
def _source(path: FilePath, read_once: bool) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The file or store to open, and the options with which xarray opens it."""
    if not is_zarr(path):
        yield path, {"engine": "netcdf4"}
        return

    options = {"engine": "zarr", "consolidated": False}
    root = None if path.is_dir() else zarr_root_in(path)
    if root is None:
        yield ReadOnceStore(path, read_only=True) if read_once else path, options
        return

    with ZipStore(path, mode="r") as store:
        yield store, options | ({"group": root} if root else {})


@contextmanager
def _closed_afterwards(dataset: xr.Dataset) -> Iterator[xr.Dataset]:
    """Close a dataset at the end, unless nobody ends it.

    Python removes a dataset that was never closed at any moment, perhaps while another file is read. That reading holds
    the lock of HDF5, and closing would wait for the lock forever. xarray closes such a file as soon as it is safe.
    """
    try:
        yield dataset
    except GeneratorExit:
        raise
    except BaseException:
        dataset.close()
        raise
    else:
        dataset.close()


def _without_repeated_dims(dataset: xr.Dataset) -> xr.Dataset:
    """Leave out variables with a dimension twice, such as the contacts of tiles in files of the GEOS: xarray warns."""
    repeated = [name for name, column in dataset.variables.items() if len(set(column.dims)) < column.ndim]
    return dataset.drop_vars(repeated) if repeated else dataset


def _decoded(source: Any, options: dict[str, Any]) -> xr.Dataset:
    """Open a file; if its times cannot be decoded, only those that can; other variables likewise."""
    try:
        with warnings.catch_warnings():  # of dates out of range, about which readers of fields say more
            warnings.simplefilter("ignore", xr.SerializationWarning)
            warnings.filterwarnings("ignore", message="Duplicate dimension names")
            return xr.open_dataset(source, **options)
    except Exception as error:  # of times: ValueError, OverflowError, OutOfBoundsDatetime and others
        try:
            raw = xr.open_dataset(source, decode_times=False, **options)
        except Exception:
            raw = _without_undecodable(source, options, error)

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


def _without_undecodable(source: Any, options: dict[str, Any], error: Exception) -> xr.Dataset:
    """Open a file without the variables whose attributes cannot be used, such as a list of scale factors.

    Args:
        source: file or store.
        options: options of xarray to open it.
        error: raised if the file cannot be opened at all.
    """
    try:
        with xr.open_dataset(source, decode_cf=False, **options) as stored:
            bad = [str(name) for name, column in stored.variables.items() if not _is_decodable(str(name), column)]
        return xr.open_dataset(source, decode_times=False, drop_variables=bad, **options)
    except Exception:
        raise error from None


def _is_decodable(name: str, column: xr.Variable) -> bool:
    try:
        xr.decode_cf(xr.Dataset({name: column}), decode_times=False)
    except Exception as error:  # xarray and NumPy each raise their own
        log.warning("'%s' is left out, its attributes cannot be used: %s", name, " ".join(str(error).split())[:120])
        return False

    return True


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
