"""Cost of a forecast beyond its network, its peak memory, and its restart after the process was killed.

Usage: python benchmarks/forecast.py overhead|memory|kills --data TRAJECTORY.nc [--members 64] [--steps 20] [--out DIR]

``overhead``: time of a forecast to disk compared with the time inside the network, weights of the preset ``tiny``.
``memory``: peak of the whole process, for forecasts of two lengths, compared with the size of the output.
``kills``: a forecast is killed at random times and started again; its store is compared with that of an uninterrupted
forecast. Memory and kills run the command line in separate processes, with a network of a few thousand weights.
Results are written to ``OUT/forecast_overhead.json``, ``OUT/forecast_memory.json`` or ``OUT/forecast_kills.json``.
"""

import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from safetensors import safe_open
from shared import build_parser, prepare_process, print_and_write, show_progress

from gensim_graph.data import Normaliser, Trajectories, statistics_of
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import write_forecast
from gensim_graph.io import open_store
from gensim_graph.nn import PRESETS, OperatorConfig, build_operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import default_variables

SMALL_NETWORK = OperatorConfig(width=16, blocks=2, heads=1, cell_width=8, cell_layers=1, embedding=16)
"""A few thousand weights, so that the time and memory of everything else show."""

START = 8
"""Record that forecasts start from: the spin-up is over."""


def main() -> None:
    """Run one of the three measurements and write its results."""
    options = _options()
    measurement = {"overhead": overhead, "memory": memory, "kills": kills}[options.what]
    with tempfile.TemporaryDirectory() as folder:
        found = measurement(options, Path(folder))

    print_and_write(options.out / f"forecast_{options.what}.json", found)


def random_model(data: xr.Dataset, config: OperatorConfig, sampler_steps: int) -> Surrogate:
    """Return an untrained model; it costs as much as a trained one.

    Args:
        data: trajectory for its statistics and its time step.
        config: settings of the network.
        sampler_steps: steps of the sampler.
    """
    table = default_variables()
    lead = np.diff(data["time"].values[:2])[0]
    part = Trajectories.from_dataset(data, table, lead)
    normaliser = Normaliser(table, statistics_of([part], table, lead / np.timedelta64(1, "h")))

    torch.manual_seed(0)
    operator = build_operator(config, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))

    return Surrogate(operator.eval(), normaliser, SamplerConfig(steps=sampler_steps), information={"steps": 0})


def overhead(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Wall and processor time spent outside the network, over the time inside it.

    Args:
        options: the command line.
        folder: for the forecast.
    """
    prepare_process(options)
    data = open_store(options.data)
    model = random_model(data, PRESETS["tiny"], options.sampler_steps)
    inside = np.zeros(2)

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            before = clocks()
            result = function(*given)
            inside[:] += clocks() - before
            return result

        return run

    model.operator.velocity = timed(model.operator.velocity)  # type: ignore[method-assign]
    model.operator.prepare = timed(model.operator.prepare)  # type: ignore[method-assign]

    size = {"steps": options.steps, "members": options.members, "batch": options.batch, "progress": False}
    begin = clocks()
    write_forecast(model, data.isel(time=START), data, folder / "forecast.zarr", **size)
    wall, processor = (float(part) for part in clocks() - begin)

    return size | {
        "sampler_steps": options.sampler_steps,
        "wall_s": wall,
        "processor_s": processor,
        "network_wall_s": float(inside[0]),
        "network_processor_s": float(inside[1]),
        "overhead_wall": wall / float(inside[0]) - 1,
        "overhead_processor": processor / float(inside[1]) - 1,
    }


def clocks() -> np.ndarray:
    """Wall and processor time in s, (2,)."""
    return np.array([time.perf_counter(), time.process_time()])


def memory(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Peak memory of two forecasts: a quarter of the steps, and all steps.

    Args:
        options: the command line.
        folder: for model and forecasts.
    """
    model = save_model(options, folder)
    found: dict[str, Any] = {"members": options.members, "batch": options.batch}

    for steps in (options.steps // 4, options.steps):
        out = folder / f"{steps}.zarr"
        _, status, usage = os.wait4(start_forecast(model, options, out, steps).pid, 0)
        assert status == 0
        with xr.open_zarr(out) as forecast:
            size = sum(column.nbytes for column in forecast.data_vars.values() if "lead_time" in column.dims)
        found[f"{steps}_steps"] = {
            "peak_bytes": 1024 * usage.ru_maxrss,
            "output_bytes": size,
            "output_bytes_on_disk": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()),
        }

    return found


def kills(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Kill a forecast several times, start it again each time, and compare every file with an uninterrupted forecast.

    Args:
        options: the command line.
        folder: for model and forecasts.
    """
    model = save_model(options, folder)
    whole = folder / "whole.zarr"
    killed = folder / "killed.zarr"

    begin = time.monotonic()
    assert start_forecast(model, options, whole, options.steps).wait() == 0
    length = time.monotonic() - begin

    moments = kill_often(model, options, killed, length)
    assert start_forecast(model, options, killed, options.steps).wait() == 0

    return {
        "members": options.members,
        "steps": options.steps,
        "uninterrupted_s": length,
        "kills": moments,
        "files": count_files(whole),
        "identical": identical(whole, killed),
        "left_behind": sorted(path.name for path in folder.iterdir() if path.name.startswith(".")),
    }


def kill_often(model: Path, options: argparse.Namespace, out: Path, length: float) -> list[dict[str, Any]]:
    """Start a forecast and kill it at a random time, ``--kills`` times; return what was on disk each time.

    Args:
        model: folder of the model.
        options: the command line.
        out: store of the forecast.
        length: duration of a forecast that is not killed, s.
    """
    rng = random.Random(options.seed)
    moments: list[dict[str, Any]] = []
    while len(moments) < options.kills:
        process = start_forecast(model, options, out, options.steps)
        wait = rng.uniform(0, 3 * length / options.kills)
        try:
            assert process.wait(wait) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append({"after_s": round(wait, 2), "files": count_files(out), "steps_done": complete_steps(out)})
            show_progress(str(moments[-1]))
            continue

        show_progress("finished before it was killed: starts from the beginning")
        shutil.rmtree(out)

    return moments


def save_model(options: argparse.Namespace, folder: Path) -> Path:
    """Save a random model of a few thousand weights and return its folder.

    Args:
        options: the command line.
        folder: the model is written into its folder ``model``.
    """
    random_model(open_store(options.data), SMALL_NETWORK, options.sampler_steps).save(folder / "model")
    return folder / "model"


def start_forecast(model: Path, options: argparse.Namespace, out: Path, steps: int) -> subprocess.Popen[bytes]:
    """Start ``gensim-graph forecast`` in a process of its own.

    Args:
        model: folder of the model.
        options: the command line.
        out: store of the forecast.
        steps: forecast steps.
    """
    initial = f"{options.data}@{np.datetime_as_string(open_store(options.data)['time'].values[START])}"
    settings = {
        "model": model,
        "initial": initial,
        "members": options.members,
        "steps": steps,
        "out": out,
        "batch": options.batch,
    }
    flags = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-m", "gensim_graph", "forecast", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def count_files(store: Path) -> int:
    """Number of files in a store."""
    return sum(path.is_file() for path in store.rglob("*"))


def complete_steps(store: Path) -> list[int]:
    """Complete steps of every batch of members that was started."""
    found = []
    for file in sorted((store / "restart").glob("*.safetensors")):
        with safe_open(file, "pt") as restart:
            found.append(json.loads(restart.metadata()["after"])["step"])

    return found


def identical(first: Path, second: Path) -> bool:
    """Return True if two folders hold the same files, byte for byte.

    Args:
        first: one folder.
        second: the other folder.
    """
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    same = files == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    return same and all(filecmp.cmp(first / name, second / name, shallow=False) for name in files)


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, data="trajectory to start from, and the forcing", out="bench")
    parser.add_argument("what", choices=("overhead", "memory", "kills"), help="what to measure")
    parser.add_argument("--members", type=int, default=64, help="ensemble members")
    parser.add_argument("--steps", type=int, default=20, help="forecast steps")
    parser.add_argument("--batch", default="8", help="members that are forecast together: a number or auto")
    parser.add_argument("--sampler-steps", type=int, default=2, help="steps of the sampler")
    parser.add_argument("--kills", type=int, default=10, help="how often the forecast is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    options = parser.parse_args()
    options.batch = int(options.batch) if options.batch.isdigit() else options.batch
    return options


if __name__ == "__main__":
    main()
