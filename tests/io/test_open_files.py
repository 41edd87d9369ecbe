"""Files that nobody closes: Python may remove them while another file is read."""

import gc
import threading
from contextlib import nullcontext

import pytest
import xarray as xr
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from gensim_graph.errors import InputError
from gensim_graph.io.safe import opened_dataset


def abandon(path):
    """Open a file, put it into a circle of references, and forget it."""
    context = opened_dataset(path)
    context.__enter__()
    circle = [context]
    circle.append(circle)


def test_an_abandoned_file_does_not_wait_for_a_reading_one(tmp_path):
    """The lock that a reading holds while Python removes the other file is not waited for."""
    path = tmp_path / "a.nc"
    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(path)
    gc.disable()
    try:
        abandon(path)
        with NETCDF4_PYTHON_LOCK:
            collector = threading.Thread(target=gc.collect, daemon=True)
            collector.start()
            collector.join(timeout=10)
            assert not collector.is_alive()
    finally:
        gc.enable()

    with opened_dataset(path) as dataset:
        assert dataset["a"].values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("fails", [False, True])
def test_a_file_is_closed_at_the_end(tmp_path, fails):
    """It can be replaced and read again, also after an error."""
    path = tmp_path / "a.nc"
    for value in (1.0, 2.0):
        xr.Dataset({"a": ("x", [value])}).to_netcdf(path)
        expected = pytest.raises(InputError, match="damaged") if fails else nullcontext()
        with expected, opened_dataset(path) as dataset:
            assert dataset["a"].values.tolist() == [value]
            if fails:
                raise KeyError("x")
