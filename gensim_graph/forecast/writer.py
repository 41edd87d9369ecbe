"""Write a forecast of any length to a zarr store, with a batch of members and a few lead times in memory.

A run that was killed continues where it stopped, and its store gets the same bytes as that of an uninterrupted run. A
complete forecast can be extended. How this works is explained in :mod:`~gensim_graph.forecast.layout` and
:mod:`~gensim_graph.forecast.restart`.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Literal

import xarray as xr
import zarr

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError, check_count
from gensim_graph.forecast.batches import choose_batch, split_units, units_of_rank
from gensim_graph.forecast.forecast_run import ForecastRun
from gensim_graph.forecast.identity import Identity, ObservedIdentity, check_same, identify
from gensim_graph.forecast.layout import (
    StoreLayout,
    check_forecast_space,
    check_place,
    create_or_extend_store,
    read_layout,
)
from gensim_graph.forecast.progress import show_progress
from gensim_graph.forecast.ranks import Ranks
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.restart import remove_partial_files, steps_done
from gensim_graph.forecast.several_models import ModelSet, ModelShares, common_fields
from gensim_graph.forecast.starts import Starts
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate, count_members, steps_with
from gensim_graph.typing import Path

log = logging.getLogger(__name__)

Batch = int | Literal["auto"]
"""Number of members that are computed together, or ``auto``."""


def write_forecast(
    model: Surrogate | Sequence[Surrogate],
    initial: xr.Dataset,
    forcing: xr.Dataset | Forcing,
    out: Path,
    *,
    steps: int = 8,
    members: int = 16,
    seed: int = 0,
    every: int = 1,
    variables: tuple[str, ...] | list[str] = (),
    budget: bool = False,
    guard: bool = True,
    batch: Batch = "auto",
    progress: bool = True,
    mesh: Mesh | None = None,
    observations: object | None = None,
) -> FilePath:
    """Forecast an ensemble into a zarr store with dimensions ((start,) member, lead_time, face).

    Repeat the call to continue an interrupted forecast; repeat it with more steps to extend a complete one. Under
    torchrun each process computes a share of the members, and its call returns when its share is done.

    Args:
        model: the surrogate; :meth:`~gensim_graph.Surrogate.to` sets its device and precision. A list of models shares
            the members in consecutive blocks, in its order: of 16 members and two models, 0 to 7 are those of the
            first. They agree in lead time and variables. The coordinate ``model`` (member) names them. A member is the
            one with the same number of a forecast with its model alone; bit for bit if both have the same ``batch``,
            and the blocks are multiples of it.
        initial: state at one time, or at several; each of them becomes a ``start``. With a dimension ``trajectory`` or
            ``member``, each member of the forecast starts from its own state.
        forcing: at the times of the starts and at every valid time: a dataset on the same mesh, or
            :func:`~gensim_graph.open_forcing`, which reads files of any size record by record. Several models need
            the variables of each of them.
        out: the store, ``*.zarr``.
        steps: number of forecast steps, one lead time each.
        members: number of ensemble members; a deterministic twin has one for each initial state.
        seed: seed of the noise; the numbers of a member depend on the seed and its own number alone.
        every: number of steps from one written state to the next; all steps are computed.
        variables: names of the written variables; empty for all.
        budget: write ``sit_transport`` and ``sit_source``, too, and the same for the snow: the change in the last step
            by transport with the drift, and by sources (m). At lead time 0 they are NaN. Both are the whole change
            between written states if ``every`` is 1.
        guard: compare states and forcing with the training data (:mod:`gensim_graph.surrogate.guard`): variables
            ``guard_...``, and a warning in the log before the forecast runs away. Models of earlier versions do not
            know the ranges of their data, and have no guard.
        batch: number of members computed together, and in a chunk of the store; ``auto`` takes a number that suits
            memory and device. It changes the numbers by rounding only. A forecast that continues keeps its first batch.
        progress: show a progress bar.
        mesh: mesh of the forecast, for a state without one; by default that of ``initial``.
        observations: that the members are pulled towards (:class:`~gensim_graph.Observations`); with other settings an
            :class:`~gensim_graph.assimilate.Assimilation`. The folder ``innovations`` of the store keeps observations
            beside forecast and analysis.

    Returns:
        The path of the store.

    Raises:
        InputError: wrong arguments, initial state or forcing, models that do not agree, or a path that holds something
            else, another forecast or a longer one.

    Example:
        One day on a grid of 6 x 6 cells, from a simulated state and under its wind, with the model that ships:

        >>> import tempfile
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import xarray as xr
        >>> axis = 80e3 * np.arange(6)
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> data = gg.simulate_cyclone(mesh, members=1, days=1, every="12h", progress=False).isel(trajectory=0)
        >>> model = gg.Surrogate.load("small")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = f"{folder}/forecast.zarr"
        ...     store = gg.write_forecast(model, data.isel(time=0), data, out, steps=2, members=3, progress=False)
        ...     forecast = xr.open_zarr(store).load()
        >>> dict(forecast["sic"].sizes)
        {'member': 3, 'lead_time': 3, 'face': 36}
        >>> (forecast["lead_time"].values / np.timedelta64(1, "h")).tolist()
        [0.0, 12.0, 24.0]
    """
    target, ranks = FilePath(out), Ranks.from_environment()
    check_place(target)
    if isinstance(variables, str):
        raise InputError(f"forecast.variables: expected a list of names, such as ['sic', 'sit']; came {variables!r}")

    request = Request(steps, members, seed, every, tuple(variables), budget, guard)
    models = ModelSet.of(model)
    request.written_variables(models.first)  # raises for unknown names
    _check_batch(batch)

    starts = Starts.from_dataset(initial, models, mesh)
    drivers = models.drivers(forcing, starts.mesh, starts.times, steps)
    observed = None if observations is None else steps_with(observations)
    if observed is not None and observed.guides:
        models.check_guidable()
    free = identify(models, starts, drivers, request)
    known = ObservedIdentity(free, observed, starts.times.max(), models.first.lead_time)
    existing, identity = _existing_layout(target, known, steps), known.after(steps)

    whole = observed is not None and observed.needs_ensemble
    together = _batch_size(batch, None if whole else existing, identity, starts, models, ranks)
    shares = ModelShares.of(models, drivers, starts.mesh, int(identity["members"]), guard)
    layout = StoreLayout(identity, steps, int(identity["members"]) if whole else together)

    if ranks.is_first:
        check_forecast_space(target, layout, starts, request)
        count_members(layout.members, starts.states.shape[1], deterministic=False)  # says how the members begin
        create_or_extend_store(target, layout, models, starts, request, _origin(drivers), common_fields(shares.guards))
    else:
        layout = _wait_for_layout(target, known, steps)

    units = units_of_rank(split_units(len(starts.times), layout.members, layout.batch), ranks)
    done = {unit: steps_done(target, unit) for unit in units}
    missing = [unit for unit in units if done[unit] < steps]

    if not missing:
        return target

    run = ForecastRun(target, shares, starts, request, observed, together)
    with show_progress(done, steps, starts.times, models.first.lead_time, progress and ranks.is_first) as report:
        for unit in missing:
            remove_partial_files(target, unit, starts.has_dimension, layout.batch)
            run.compute(unit, report)

    return target


def _origin(forcings: Sequence[Forcing]) -> str:
    """Files of the forcing, for the history of the store."""
    return "; ".join(dict.fromkeys(forcing.origin for forcing in forcings))


def _check_batch(batch: Batch) -> None:
    if batch == "auto":
        return
    try:
        check_count("forecast.batch", batch, least=1)
    except InputError as error:
        raise InputError(str(error).replace("; came", ", or auto; came")) from None


def _existing_layout(target: FilePath, known: ObservedIdentity, steps: int) -> StoreLayout | None:
    """Return the layout of this forecast, or None if it has not begun.

    Args:
        target: the store.
        known: identity of this forecast.
        steps: number of steps that are asked for.

    Raises:
        InputError: the store holds another forecast, or more steps.
    """
    existing = read_layout(target)
    if existing is None:
        return None

    check_same(target, existing.identity, known.of_store(existing.identity, existing.steps))
    if existing.steps > steps:
        raise InputError(
            f"{target}: holds {existing.steps} steps of this forecast, more than the {steps} asked for; "
            "ask for as many, or choose another path with --out"
        )

    return existing


def _batch_size(
    asked: Batch, existing: StoreLayout | None, identity: Identity, starts: Starts, models: ModelSet, ranks: Ranks
) -> int:
    """Return the number of members of a work unit: that of the existing store, as asked for, or as it suits the device.

    Args:
        asked: option of the user.
        existing: layout of the store if the forecast has begun.
        identity: identity of the forecast.
        starts: initial states.
        models: of the forecast.
        ranks: this process among all processes.
    """
    if existing is not None:
        if asked not in ("auto", existing.batch):
            log.warning("the forecast goes on in batches of %d members, as it began, not of %s", existing.batch, asked)
        return existing.batch

    members = int(identity["members"])
    if isinstance(asked, int):
        return min(asked, members)

    smallest, cells, count = members // len(models.models), starts.mesh.n_faces, len(starts.times) * len(models.models)
    configs = [model.operator.config for model in models.models]
    fitting = min(choose_batch(smallest, count, cells, one, models.first.device, ranks) for one in configs)

    # A batch that divides the blocks has members of one model only; one half as large or more costs little.
    dividing = [size for size in range(1 + fitting // 2, 1 + fitting) if members % (len(configs) * size) == 0]
    return dividing[-1] if models.has_several and dividing else fitting


def _wait_for_layout(target: FilePath, known: ObservedIdentity, steps: int) -> StoreLayout:
    """Wait until the first process has created or extended the store, and return its layout.

    Args:
        target: the store.
        known: identity of this forecast.
        steps: number of steps that are asked for.
    """
    existing = _existing_layout(target, known, steps)
    while existing is None or existing.steps < steps:
        time.sleep(0.1)
        existing = _existing_layout(target, known, steps)
    return existing


def check_complete(target: Path) -> None:
    """Check that a forecast has filled its store, because gaps in it would be read as states.

    Raises:
        InputError: some members have not reached the last step, or the path holds no forecast.
    """
    path = FilePath(target)
    layout = read_layout(path)
    if layout is None:
        raise InputError(f"{path}: there is no such forecast; check the path")

    starts = int(zarr.open_array(str(path / "initial_time"), mode="r").size)
    units = split_units(starts, layout.members, layout.batch)
    missing = sum(len(unit.members) for unit in units if steps_done(path, unit) < layout.steps)

    if missing:
        raise InputError(
            f"{path}: not finished, {missing} of {starts * layout.members} members have not come to step "
            f"{layout.steps}; the command that it began with goes on"
        )
