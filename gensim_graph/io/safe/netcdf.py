"""Reading of single variables from netCDF files that may be damaged.

The readers of the models' own netCDF files need a few variables, some of them in groups, and a clear error for a
damaged file. Any exception of the netCDF library becomes an :class:`~gensim_graph.errors.InputError`, and a variable
that is too large for the size of the file is not read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

import netCDF4
import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.io.safe.content import has_netcdf_content, is_dataset
from gensim_graph.io.safe.netcdf_header import check_header
from gensim_graph.typing import Array

_EXPANSION = 1100  # deflate makes data at most 1032 times smaller


@contextmanager
def opened(path: FilePath) -> Iterator[netCDF4.Dataset]:
    """Open a netCDF file for reading; values come as they are stored, without masks and scale factors.

    Raises:
        InputError: the file cannot be opened, or the netCDF library fails while it is open.
    """
    try:
        check_header(path)
        with netCDF4.Dataset(path) as content:
            content.set_auto_maskandscale(False)
            yield content
    except InputError:
        raise
    except Exception as error:  # the library raises OSError, RuntimeError, KeyError and others
        raise InputError(f"cannot be read, it is damaged or no netCDF ({str(error)[:120]})") from None


def is_netcdf_with(path: FilePath, test: Callable[[netCDF4.Dataset], bool]) -> bool:
    """Return True if a file is netCDF and its content passes a test; never raises.

    Args:
        path: the file.
        test: function of the open file, for instance one that looks for the variables of a model.
    """
    if not path.is_file() or not (is_dataset(path) and has_netcdf_content(path)):
        return False
    try:
        with opened(path) as content:
            return test(content)
    except InputError:
        return False


def read_values(variable: netCDF4.Variable, dtype: type = np.float32) -> Array:
    """Read all values of a variable, NaN where they are missing.

    Args:
        variable: the variable, of an open file.
        dtype: least precision of the result; doubles stay doubles, and integers become float64.

    Raises:
        InputError: the variable has no numbers, or more than the file can hold.
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
