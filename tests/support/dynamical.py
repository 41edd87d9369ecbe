"""A small restart of neXtSIM-DG for tests and benchmarks."""

from pathlib import Path

import netCDF4
import numpy as np


def dynamical(folder: Path) -> Path:
    """A small restart of neXtSIM-DG."""
    rng, path = np.random.default_rng(0), folder / "init.nc"
    with netCDF4.Dataset(path, "w") as content:
        content.createGroup("structure").type = "parametric_rectangular"
        content.createGroup("metadata").createGroup("time").createVariable("time", "i8")[:] = 0
        data = content.createGroup("data")
        for name, size in {"ydim": 6, "xdim": 6, "yvertex": 7, "xvertex": 7, "ncoords": 2}.items():
            data.createDimension(name, size)
        corners = np.stack(np.meshgrid(np.arange(7) * 4e3, np.arange(7) * 4e3), axis=-1)
        data.createVariable("coords", "f8", ("yvertex", "xvertex", "ncoords"))[:] = corners
        for name in ("x", "y", "mask", "cice", "hice", "damage", "u", "v"):
            values = np.ones((6, 6)) if name == "mask" else rng.uniform(0, 1, (6, 6))
            data.createVariable(name, "f8", ("ydim", "xdim"))[:] = values
    return path
