"""Ensembles in files of other programs: each member of a file becomes a trajectory.

A dimension of members (``member``, ``realization``, ``ensemble``, ``number``, ...) has no meaning for the model:
members are trajectories over the same times, as several files are. The dimension is renamed, and readers keep it.
"""

import logging

import xarray as xr

from gensim_graph.io.names import known_names

log = logging.getLogger(__name__)

TRAJECTORY = "trajectory"
"""Dimension of several trajectories in a dataset."""

_NAMES = ("member", "members", "member_id", "number", "realization", "realisation", "ens", "ensemble",
          "ensemble_member", "ensemble_index", "ens_member", "nens", "n_member", "nmember")  # fmt: skip
"""Names of dimensions of ensembles, in lower case. ``expver`` of ERA5 is none: its two parts are one trajectory."""


def with_trajectories(ds: xr.Dataset, report: bool = True) -> xr.Dataset:
    """Return a dataset with its dimension of members renamed to ``trajectory``; unchanged without several members.

    Args:
        ds: the dataset.
        report: log what was done.

    Example:
        >>> import numpy as np
        >>> import xarray as xr
        >>> from gensim_graph.io.coordinates import with_trajectories
        >>> ds = xr.Dataset({"siconc": (("time", "number", "y", "x"), np.zeros((2, 10, 3, 3)))})
        >>> with_trajectories(ds)["siconc"].dims
        ('time', 'trajectory', 'y', 'x')
    """
    dim = member_dimension(ds)
    if dim is None or TRAJECTORY in ds.dims:
        return ds

    if report:
        log.info("'%s' has %d members: each is a trajectory", dim, ds.sizes[dim])
    # A state of a single trajectory may have the number of that as a coordinate.
    return ds.drop_vars([dim, TRAJECTORY], errors="ignore").rename_dims({dim: TRAJECTORY})


def member_dimension(ds: xr.Dataset) -> str | None:
    """Return the dimension of the fields along which there are several members; None if there is none."""
    dims = dict.fromkeys(str(dim) for name in sorted(known_names(ds)) for dim in ds[name].dims)
    return next((dim for dim in dims if ds.sizes[dim] > 1 and _is_of_members(ds, dim)), None)


def _is_of_members(ds: xr.Dataset, dim: str) -> bool:
    if dim.lower() in _NAMES:
        return True
    attrs = ds[dim].attrs if dim in ds.variables else {}
    return attrs.get("standard_name") == "realization" or attrs.get("axis") == "E"
