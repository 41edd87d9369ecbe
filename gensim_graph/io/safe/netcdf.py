"""Reading netCDF files of which nothing is taken for granted.

The readers of the models' own netCDF files need a few variables, maybe in groups, and a clear error for a damaged file:
whatever the netCDF library raises becomes an :class:`~gensim_graph.errors.InputError`, and a variable that could not
come out of a file of that size is not read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

import netCDF4
import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.io.safe.netcdf_header import check_header
from gensim_graph.typing import Array

_EXPANSION = 1100  # deflate makes data at most 1032 times smaller
_SUFFIXES = (".nc", ".nc4")


@contextmanager
def opened(path: FilePath) -> Iterator[netCDF4.Dataset]:
    """A netCDF file, open for reading, values as they are stored.

    Raises:
        InputError: it cannot be opened, or something inside fails in the netCDF library.
    """
    try:
        check_header(path)
        with netCDF4.Dataset(path) as content:
            content.set_auto_maskandscale(False)
            yield content
    except InputError:
        raise
    except Exception as error:  # the library raises whatever it likes: OSError, RuntimeError, KeyError, ...
        raise InputError(f"cannot be read, it is damaged or no netCDF ({str(error)[:120]})") from None


def has(path: FilePath, feature: str) -> bool:
    """Whether a file is netCDF and has a group or variable of some name at its top; never raises."""
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return False
    try:
        with opened(path) as content:
            return feature in content.groups or feature in content.variables
    except InputError:
        return False


def read_values(variable: netCDF4.Variable, dtype: type = np.float32) -> Array:
    """All numbers of a variable, NaN where they are missing.

    Raises:
        InputError: no numbers, or more than the file can hold.
    """
    if not isinstance(variable.dtype, np.dtype) or variable.dtype.kind not in "iuf":
        raise InputError(f"'{variable.name}' holds no numbers; expected them")

    size = FilePath(variable.group().filepath()).stat().st_size
    if variable.size * variable.dtype.itemsize > _EXPANSION * size:
        raise InputError(f"'{variable.name}' {variable.shape} cannot be in a file of {size} bytes; the file is damaged")

    values = np.asarray(variable[...])
    result = values.astype(np.result_type(dtype, values.dtype) if values.dtype.kind == "f" else np.float64)

    for name in ("_FillValue", "missing_value"):
        if name in variable.ncattrs():
            result[values == variable.getncattr(name)] = np.nan

    return result
