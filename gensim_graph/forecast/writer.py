"""Stream a forecast to zarr: a batch of members and a few lead times in memory, whatever the length.

A run that is killed goes on where it stopped and gives the same bytes as one that was not; a complete one can be
extended. Read :mod:`~gensim_graph.forecast.layout` and :mod:`~gensim_graph.forecast.restart` for what makes that so.
"""

import logging
import time
from pathlib import Path as FilePath
from typing import Literal

import xarray as xr
import zarr

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.batches import choose_batch, share_of, split_units
from gensim_graph.forecast.identity import Identity, check_same, identify
from gensim_graph.forecast.layout import StoreLayout, check_place, lay_out, read_layout
from gensim_graph.forecast.progress import shown
from gensim_graph.forecast.ranks import Ranks
from gensim_graph.forecast.request import Request, Starts
from gensim_graph.forecast.restart import steps_done, sweep
from gensim_graph.forecast.run import ForecastRun
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Path

log = logging.getLogger(__name__)

Batch = int | Literal["auto"]
"""Members computed together."""


def write_forecast(
    model: Surrogate,
    initial: xr.Dataset,
    forcing: xr.Dataset | Forcing,
    out: Path,
    *,
    steps: int = 8,
    members: int = 16,
    seed: int = 0,
    every: int = 1,
    variables: tuple[str, ...] | list[str] = (),
    batch: Batch = "auto",
    progress: bool = True,
) -> FilePath:
    """Forecast an ensemble into a zarr store of dims ((start,) member, lead_time, face).

    The same call again goes on where it was interrupted; with more steps, it extends what is there. Under torchrun each
    process takes a share of the members (and :func:`write_forecast` returns when its share is done).

    Args:
        model: the surrogate, where and in the precision that :meth:`~gensim_graph.Surrogate.to` says.
        initial: state at one time, or at several: each of them becomes a ``start``.
        forcing: at the starts and at every valid time: a dataset on the same mesh, or
            :func:`~gensim_graph.open_forcing`, which reads files of any size record by record.
        out: the store, ``*.zarr``.
        steps: forecast steps, one lead time each.
        members: ensemble members; the deterministic twin has one.
        seed: of the noise; a member's numbers follow from it and from the number of the member.
        every: steps between written states; all are computed.
        variables: that are written; empty for all.
        batch: members computed together, and in a chunk of the store; ``auto`` takes what suits memory and device. It
            changes the numbers by rounding only. A forecast goes on with the batches that it began with.
        progress: show a progress bar.

    Returns:
        The path of the store.

    Raises:
        InputError: wrong arguments, initial state or forcing, or a path that holds something else, another forecast
            or a longer one.
    """
    target, ranks = FilePath(out), Ranks.from_environment()
    check_place(target)
    request = Request(steps, members, seed, every, tuple(variables))
    request.written(model)

    if batch != "auto" and batch < 1:
        raise InputError(f"forecast.batch: expected a number of 1 or more, or auto; came {batch}")

    starts = Starts.of(initial, model)
    drivers = model.drivers(forcing, starts.mesh, starts.times, steps)
    identity = identify(model, starts, drivers, request)
    there = _there(target, identity, steps)
    layout = StoreLayout(identity, steps, _batch(batch, there, model, starts, identity, ranks))

    if ranks.is_first:
        lay_out(target, layout, model, starts, request)
    else:
        layout = _wait_for(target, identity, steps)

    units = share_of(split_units(len(starts.times), layout.members, layout.batch), ranks)
    done = {unit: steps_done(target, unit) for unit in units}
    missing = [unit for unit in units if done[unit] < steps]

    if not missing:
        return target

    run = ForecastRun(target, model, model.plan(starts.mesh), starts, drivers, request)
    with shown(done, steps, starts.times, model.lead_time, progress and ranks.is_first) as advance:
        for unit in missing:
            sweep(target, unit, starts.several, layout.batch)
            run.compute(unit, advance)

    return target


def _there(target: FilePath, identity: Identity, steps: int) -> StoreLayout | None:
    """The layout of this forecast, if it has begun.

    Raises:
        InputError: another one is there, or a longer one.
    """
    there = read_layout(target)
    if there is None:
        return None

    check_same(target, there.identity, identity)
    if there.steps > steps:
        raise InputError(
            f"{target}: holds {there.steps} steps of this forecast, more than the {steps} asked for; "
            "ask for as many, or choose another path with --out"
        )

    return there


def _batch(
    asked: Batch, there: StoreLayout | None, model: Surrogate, starts: Starts, identity: Identity, ranks: Ranks
) -> int:
    """Members of a batch: as the forecast began, as asked for, or as memory and device suggest."""
    members, count = int(identity["members"]), len(starts.times)
    if there is not None:
        if asked not in ("auto", there.batch):
            log.warning("the forecast goes on in batches of %d members, as it began, not of %s", there.batch, asked)
        return there.batch

    if isinstance(asked, int):
        return min(asked, members)

    return choose_batch(members, count, starts.mesh.n_faces, model.operator.config, model.device, ranks)


def _wait_for(target: FilePath, identity: Identity, steps: int) -> StoreLayout:
    """The layout that the first process makes."""
    there = _there(target, identity, steps)
    while there is None or there.steps < steps:
        time.sleep(0.1)
        there = _there(target, identity, steps)
    return there


def check_complete(target: Path) -> None:
    """Refuse a store that a forecast has not filled yet: who reads it takes gaps for states.

    Raises:
        InputError: some members have not come to its end; or it is no forecast that can go on.
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
