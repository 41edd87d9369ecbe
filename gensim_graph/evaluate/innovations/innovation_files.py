"""Read the innovations of a forecast: one file for each step that had observations, and each batch of members."""

from collections import defaultdict
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.typing import Path

_FOLDER = "innovations"  # in the store, as the forecast writes it


def has_innovations(store: Path) -> bool:
    """Return True if a store holds innovations.

    Args:
        store: of a forecast, ``*.zarr``.
    """
    return any((FilePath(store) / _FOLDER).glob("start_*/step_*.nc"))


def open_innovations(store: Path) -> xr.Dataset:
    """Read the innovations of a forecast with observations, of all members and steps.

    Args:
        store: written by ``gensim-graph assimilate``, or by :func:`~gensim_graph.write_forecast` with observations.

    Returns:
        Dataset (member, obs) with ``value`` and ``error`` of each observation, and the observed value by ``forecast``
        and ``analysis`` of each member, in the units of the variable table. Coordinates of each observation:
        ``variable``, ``x`` and ``y`` (m, in the plane of the mesh), ``valid_time``, ``lead_time`` and the number of its
        ``start``. Members that an interrupted forecast has not computed are NaN. With a guide, ``forecast`` is that of
        each member without the noise of its step.

    Raises:
        InputError: the store holds no innovations, or a file cannot be read.

    Example:
        >>> import tempfile
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import pandas as pd
        >>> axis = 80e3 * np.arange(6)
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> data = gg.simulate_cyclone(mesh, members=1, days=1, every="12h", progress=False).isel(trajectory=0)
        >>> table = pd.DataFrame({"variable": "siu", "x": axis, "y": axis, "value": 0.1, "error": 0.02,
        ...                       "time": data.time.values[1]})
        >>> given = {"steps": 1, "members": 2, "progress": False, "observations": gg.Observations.from_table(table)}
        >>> model = gg.Surrogate.load("small")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = gg.write_forecast(model, data.isel(time=0), data, f"{folder}/a.zarr", **given)
        ...     innovations = gg.open_innovations(store)
        >>> innovations["analysis"].shape
        (2, 6)
        >>> sorted(map(str, innovations.coords))
        ['lead_time', 'member', 'start', 'valid_time', 'variable', 'x', 'y']
    """
    path = FilePath(store)
    steps: dict[tuple[int, int], list[FilePath]] = defaultdict(list)
    for file in sorted((path / _FOLDER).glob("start_*/step_*_members_*.nc")):
        steps[int(file.parent.name.removeprefix("start_")), int(file.name.split("_")[1])].append(file)

    if not steps:
        raise InputError(
            f"{path}: holds no innovations; expected the store of gensim-graph assimilate, or of a forecast with "
            "observations"
        )

    begins = _initial_times(path)
    parts = [_step(files, start, begins[start]) for (start, _), files in sorted(steps.items())]

    joined = xr.concat(parts, "obs", join="outer", coords="different", compat="equals", combine_attrs="drop")
    return joined.set_coords(["variable", "x", "y"]).transpose("member", "obs")


def _initial_times(path: FilePath) -> np.ndarray:
    """Times of the starts, (start,)."""
    try:
        with xr.open_zarr(path, chunks=None) as stored:
            return np.atleast_1d(stored["initial_time"].values)
    except (OSError, KeyError, ValueError) as reason:
        raise InputError(f"{path}: cannot be read as a forecast ({reason})") from None


def _step(files: list[FilePath], start: int, begin: np.datetime64) -> xr.Dataset:
    """Observations of one step, with all members.

    Args:
        files: one for each batch of members.
        start: its number.
        begin: time of the start.
    """
    batches = [_read(file) for file in files]
    members = xr.concat([one[["forecast", "analysis"]] for one in batches], "member")
    joined = batches[0].drop_vars(["forecast", "analysis"]).drop_dims("member").merge(members, combine_attrs="override")

    count, time = joined.sizes["obs"], joined["valid_time"].values
    return joined.drop_vars("valid_time").assign_coords(
        valid_time=("obs", np.full(count, time)),
        lead_time=("obs", np.full(count, time - begin)),
        start=("obs", np.full(count, start)),
    )


def _read(file: FilePath) -> xr.Dataset:
    try:
        return xr.load_dataset(file)
    except (OSError, ValueError) as reason:
        raise InputError(f"{file}: cannot be read ({reason}); the command that wrote it makes it again") from None
