"""Calibrate a model: reduce the biases with which its free runs drift away, as a climate model is tuned.

What a step adds to the ice may be wrong by a millimetre without any score of steps noticing; after a summer, a fifth of
the ice is missing. Such a bias is the rest that a training with noisy steps leaves in the weights. The last layer is
linear, so its best weights for the tendencies of free runs over months follow from least squares, in closed form and
from all of the data at once. Measured in docs/decisions/0010-one-evaluation.md.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from os import PathLike
from pathlib import Path as FilePath

import numpy as np
import torch
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import Source, mesh_from_dataset, open_stores
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import one_line_bar
from gensim_graph.train.calibrating.free_windows import FreeWindows
from gensim_graph.train.calibrating.last_layer import SetErrors, SetSums, fitted_change
from gensim_graph.typing import Array, Path
from gensim_graph.units import is_duration, parse_duration

_Set = Source | Sequence[Source]


def calibrate(
    model: Path | Surrogate,
    data: Source | Sequence[_Set] | Mapping[str, _Set],
    *,
    window: str = "120d",
    variables: Sequence[str] = ("sit",),
    out: Path | None = None,
    progress: bool = True,
) -> tuple[Surrogate, list[SetErrors]]:
    """Fit the last layer of a model so that the tendencies of its free runs are right in the mean.

    The model runs freely in windows of the data, each from the true state and half a window after the one before; then
    the weights with which its last layer makes the given variables are changed by least squares
    (:mod:`gensim_graph.train.calibrating.last_layer`). The spread of the members stays.

    Args:
        model: a student or a deterministic twin, which has one evaluation of the network in a step: a folder, the name
            of a model that ships, or the surrogate. It is left as it is.
        data: files, patterns or datasets with state and forcing. Each element, which may be a list, is a set; all sets
            count alike. A dictionary gives them names. Files of a set on the same mesh that continue each other in
            time are joined.
        window: length of the free runs, such as ``30d``. A bias shows in runs of months; in longer ones the model has
            other ice than the data, which rightly grows and melts at other rates.
        variables: scalar state variables that are calibrated.
        out: folder of the calibrated model; None does not save it.
        progress: show a progress bar.

    Returns:
        The calibrated model, and the errors of each set and variable before and after.

    Raises:
        InputError: the model has no linear last layer with one evaluation, an unknown or absent variable or one that
            is part of a vector, data that the model cannot be run with, or a folder that is not empty.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = str(cyclone_trajectories("train")[0])
        >>> calibrated, rows = gg.calibrate("small-1", [path], window="12h", progress=False)
        >>> [(row.variable, row.groups_after < 1) for row in rows]
        [('sit', True)]
    """
    start = model if isinstance(model, Surrogate) else Surrogate.load(model)
    length = parse_duration(window).to_timedelta64() if is_duration(window) else np.timedelta64(0, "ns")
    if length < start.lead_time:
        raise InputError(f"window '{window}': expected {start.lead_time} (a step of the model) or longer, such as 120d")
    if out is not None and FilePath(out).is_dir() and any(FilePath(out).iterdir()):
        raise InputError(f"{out}: expected a new or empty folder for the calibrated model")
    operator, channels = _chosen(start, variables)
    # A step that is compiled or replayed does not show what its last layer saw.
    running = replace(start, _velocity=None).record(False)

    runs = {
        name: [
            FreeWindows(running, one, channels, length, number)
            for number, one in enumerate(_trajectories(source, running))
        ]
        for name, source in _named(data)
    }
    for name, windows in runs.items():
        if not any(map(len, windows)):
            raise InputError(f"{name}: no two records are a step of the model ({start.lead_time}) apart")

    sums = _sums(runs, len(channels), operator.project.spins_in.scalar + 1, progress)
    delta = fitted_change(sums)
    if not np.isfinite(delta).all():
        raise InputError("data: values are missing in cells of the mesh, so nothing can be fitted; leave them out")
    notes = {"calibrated": f"{', '.join(variables)} on {', '.join(runs)}; windows of {window}"}
    rows = [operator.state.scalars.index(channel) for channel in channels]
    calibrated = replace(start, operator=_changed(operator, rows, delta), information=start.information | notes)
    if out is not None:
        calibrated.save(out)

    return calibrated, [row for one in sums for row in one.errors(delta, list(variables))]


def _sums(runs: Mapping[str, Sequence[FreeWindows]], variables: int, features: int, progress: bool) -> list[SetSums]:
    """Run freely through all windows.

    Args:
        runs: name -> windows of a set.
        variables: number of variables.
        features: of the last layer.
        progress: show a progress bar.
    """
    found = [SetSums(name, variables, features) for name in runs]

    with one_line_bar("calibrating", [("{task.fields[name]}", 24)], show=progress) as bar:
        total = sum(len(one) for windows in runs.values() for one in windows)
        task = bar.add_task("", total=total, name="")
        for sums, windows in zip(found, runs.values(), strict=True):
            bar.update(task, name=sums.name[-24:])
            for step in chain.from_iterable(windows):
                sums.add(step)
                bar.advance(task)

    return found


def _chosen(model: Surrogate, variables: Sequence[str]) -> tuple[VelocityOperator, list[int]]:
    """The network, and the channels of the variables in the state.

    Args:
        model: that is calibrated.
        variables: names.
    """
    if model.sampler.evaluations != 1 and not model.deterministic:
        raise InputError(
            f"{model.name}: has {model.sampler.evaluations} evaluations in a step, but only a model of one can be "
            "calibrated; give a student (gensim-graph distil)"
        )
    if not isinstance(model.operator, VelocityOperator):
        raise InputError(f"{model.name}: only networks with attention can be calibrated")

    scalars = model.operator.state.scalars
    known = {variable.name: channel for channel, variable in model.forecast_variables if channel in scalars}
    wrong = [name for name in variables if name not in known]
    if wrong or not variables:
        raise InputError(f"variables {', '.join(wrong) or 'none'}: expected scalars of the model, {', '.join(known)}")

    return model.operator, [known[name] for name in variables]


def _named(data: Source | Sequence[_Set] | Mapping[str, _Set]) -> list[tuple[str, _Set]]:
    """A name for each set, and its source."""
    if isinstance(data, Mapping) and not isinstance(data, xr.Dataset):
        return list(data.items())

    sets: Sequence[_Set] = [data] if isinstance(data, str | PathLike | xr.Dataset) else list(data)
    names = [str(one) if isinstance(one, str | PathLike) else f"set {number}" for number, one in enumerate(sets, 1)]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise InputError(f"data: {', '.join(sorted(double))} given twice")
    return list(zip(names, sets, strict=True))


def _trajectories(source: _Set, model: Surrogate) -> list[xr.Dataset]:
    """Trajectories of a set; those that continue each other are one."""
    found: list[xr.Dataset] = []
    for store in open_stores(source, variables=model.normaliser.table):
        count = store.sizes.get("trajectory", 0)
        found += [store.isel(trajectory=number) for number in range(count)] if count else [store]

    joined: list[xr.Dataset] = []
    for one in sorted(found, key=lambda store: store["time"].values[0]):
        place = next((number for number, other in enumerate(joined) if _continues(other, one)), None)
        if place is None:
            joined.append(one)
            continue
        fields = [name for name in one.data_vars if "time" in one[name].dims]
        whole = xr.concat([joined[place][fields], one[fields]], dim="time", data_vars="minimal", coords="minimal")
        joined[place] = joined[place].drop_dims("time").merge(whole)
    return joined


def _continues(earlier: xr.Dataset, later: xr.Dataset) -> bool:
    """Return True if one dataset goes on on the same mesh, with the same time step, where another ends."""
    times, more = earlier["time"].values, later["time"].values
    if mesh_from_dataset(earlier).hash != mesh_from_dataset(later).hash or len(times) < 2:
        return False
    return bool(more[0] - times[-1] == times[-1] - times[-2])


def _changed(operator: VelocityOperator, rows: Sequence[int], delta: Array) -> VelocityOperator:
    """Copy a network with other weights in its last layer.

    Args:
        operator: the network.
        rows: of the last layer.
        delta: change of the weights of each row, the bias last.
    """
    copied = copy.deepcopy(operator)
    layer = copied.project.scalar
    change = torch.from_numpy(delta).to(layer.weight)

    with torch.no_grad():
        layer.weight[list(rows)] += change[:, :-1]
        layer.bias[list(rows)] += change[:, -1]
    return copied
