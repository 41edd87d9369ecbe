"""A small model and what it forecasts from, for the tests of forecasts; processes that are killed."""

import filecmp
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from gensim_graph.data import Normaliser, Trajectories, statistics_of
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import write_forecast
from gensim_graph.io import open_store
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import default_variables
from support.examples import SMALL, small_trajectory
from support.meshes import jittered_box

TABLE = default_variables()
MESH = jittered_box(6)
DATA = open_store(small_trajectory(MESH, hours=48))
FORECAST = ["sit", "sic", "sid", "siu", "siv"]


def small_model(seed: int = 0, size: float = 0.3) -> Surrogate:
    """Never trained, with noisy weights; steps of six hours."""
    part = Trajectories.from_dataset(DATA, TABLE, np.timedelta64(6, "h"))
    normaliser = Normaliser(TABLE, statistics_of([part], TABLE, 6.0))
    torch.manual_seed(seed)
    operator = VelocityOperator(SMALL, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(size * torch.randn(parameter.shape))
    return Surrogate(operator, normaliser, SamplerConfig(steps=1), information={"steps": 0})


def write(model: Surrogate, out: Path, **options: object) -> xr.Dataset:
    """A forecast from the first time, in memory."""
    given: dict = {"initial": DATA.isel(time=0), "forcing": DATA, "steps": 3, "members": 4, "progress": False} | options
    initial, forcing = given.pop("initial"), given.pop("forcing")
    write_forecast(model, initial, forcing, out, **given)
    return xr.open_zarr(out).load()


def same_files(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert files == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    return all(filecmp.cmp(first / name, second / name, shallow=False) for name in files)


def in_a_process(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Run in a process of its own, which may be killed; its exit code, or minus the number of the signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            torch.set_num_threads(1)  # threads do not survive a fork
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(number: int) -> None:
    """This process dies when it is about to put its ``number``-th file into the store; layouts are made beside it."""
    replace, count = os.replace, [0]

    def counted(*places: object, **options: object) -> None:
        count[0] += ".layout" not in str(places[1])
        if count[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*places, **options)  # type: ignore[arg-type]

    os.replace = counted  # type: ignore[assignment]
