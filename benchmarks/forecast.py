"""What a forecast costs besides the network, what memory it takes, and whether it survives being killed.

Usage: python benchmarks/forecast.py overhead|memory|kills --data TRAJECTORY.nc [--members 64] [--steps 20] [--out DIR]

``overhead``: time of a forecast to disk against the time inside the network, weights of the preset ``tiny``.
``memory``: peak of the whole process, for forecasts of two lengths, against the size of the output.
``kills``: a forecast is killed at random moments and started again; its store against that of one which was not.
Memory and kills run the command line in processes of their own, with a network of a few thousand weights.
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

from gensim_graph.data import Normaliser, Trajectories, statistics_of
from gensim_graph.flow import SamplerConfig
from gensim_graph.forecast import write_forecast
from gensim_graph.io import open_store
from gensim_graph.nn import PRESETS, OperatorConfig, build_operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import keep_freed_memory, write_atomically
from gensim_graph.variables import default_variables

MINUTE = OperatorConfig(width=16, blocks=2, heads=1, cell_width=8, cell_layers=1, embedding=16)
START = 8  # record that forecasts begin with: the spin-up is over


def random_model(data: xr.Dataset, config: OperatorConfig, sampler_steps: int) -> Surrogate:
    """A model that was never trained: it costs what a trained one costs."""
    table, lead = default_variables(), np.diff(data["time"].values[:2])[0]
    part = Trajectories.from_dataset(data, table, lead)
    normaliser = Normaliser(table, statistics_of([part], table, lead / np.timedelta64(1, "h")))
    torch.manual_seed(0)
    operator = build_operator(config, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    return Surrogate(operator.eval(), normaliser, SamplerConfig(steps=sampler_steps), information={"steps": 0})


def overhead(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Shares of wall and processor time that are not spent in the network."""
    keep_freed_memory()
    data = open_store(arguments.data)
    model = random_model(data, PRESETS["tiny"], arguments.sampler_steps)
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
    size = {"steps": arguments.steps, "members": arguments.members, "batch": arguments.batch, "progress": False}
    begin = clocks()
    write_forecast(model, data.isel(time=START), data, folder / "forecast.zarr", **size)
    wall, processor = (float(part) for part in clocks() - begin)
    return size | {
        "sampler_steps": arguments.sampler_steps,
        "wall_s": wall,
        "processor_s": processor,
        "network_wall_s": float(inside[0]),
        "network_processor_s": float(inside[1]),
        "overhead_wall": wall / float(inside[0]) - 1,
        "overhead_processor": processor / float(inside[1]) - 1,
    }


def clocks() -> np.ndarray:
    """Wall and processor time, s."""
    return np.array([time.perf_counter(), time.process_time()])


def memory(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Peak of forecasts of a quarter of the length and of all of it."""
    model = save_model(arguments, folder)
    found: dict[str, Any] = {"members": arguments.members, "batch": arguments.batch}
    for steps in (arguments.steps // 4, arguments.steps):
        out = folder / f"{steps}.zarr"
        _, status, usage = os.wait4(start(model, arguments, out, steps).pid, 0)
        assert status == 0
        with xr.open_zarr(out) as forecast:
            size = sum(column.nbytes for column in forecast.data_vars.values() if "lead_time" in column.dims)
        found[f"{steps}_steps"] = {
            "peak_bytes": 1024 * usage.ru_maxrss,
            "output_bytes": size,
            "output_bytes_on_disk": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()),
        }
    return found


def kills(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Kill, start again, compare every file."""
    model, rng = save_model(arguments, folder), random.Random(arguments.seed)
    whole, killed = folder / "whole.zarr", folder / "killed.zarr"
    begin = time.monotonic()
    assert start(model, arguments, whole, arguments.steps).wait() == 0
    length, moments = time.monotonic() - begin, []
    while len(moments) < arguments.kills:
        process = start(model, arguments, killed, arguments.steps)
        wait = rng.uniform(0, 3 * length / arguments.kills)
        try:
            assert process.wait(wait) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append({"after_s": round(wait, 2), "files": count(killed), "steps_done": done(killed)})
            print(moments[-1], flush=True)
            continue
        print("done before it was killed: begins anew", flush=True)
        shutil.rmtree(killed)
    assert start(model, arguments, killed, arguments.steps).wait() == 0
    return {
        "members": arguments.members,
        "steps": arguments.steps,
        "uninterrupted_s": length,
        "kills": moments,
        "files": count(whole),
        "identical": identical(whole, killed),
        "left_behind": sorted(path.name for path in folder.iterdir() if path.name.startswith(".")),
    }


def save_model(arguments: argparse.Namespace, folder: Path) -> Path:
    """A random model of a few thousand weights."""
    random_model(open_store(arguments.data), MINUTE, arguments.sampler_steps).save(folder / "model")
    return folder / "model"


def start(model: Path, arguments: argparse.Namespace, out: Path, steps: int) -> subprocess.Popen[bytes]:
    """The command line, in a process of its own."""
    state = f"{arguments.data}@{np.datetime_as_string(open_store(arguments.data)['time'].values[START])}"
    options = {"model": model, "initial": state, "members": arguments.members, "steps": steps, "out": out}
    options["batch"] = arguments.batch
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-m", "gensim_graph", "forecast", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def count(store: Path) -> int:
    """Files in a store."""
    return sum(path.is_file() for path in store.rglob("*"))


def done(store: Path) -> list[int]:
    """Complete steps of every batch that has begun."""
    found = []
    for file in sorted((store / "restart").glob("*.safetensors")):
        with safe_open(file, "pt") as restart:
            found.append(json.loads(restart.metadata()["after"])["step"])
    return found


def identical(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    same = files == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    return same and all(filecmp.cmp(first / name, second / name, shallow=False) for name in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "memory", "kills"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", default="8")
    parser.add_argument("--sampler-steps", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench"))
    arguments = parser.parse_args()
    arguments.batch = int(arguments.batch) if arguments.batch.isdigit() else arguments.batch
    with tempfile.TemporaryDirectory() as folder:
        found = {"overhead": overhead, "memory": memory, "kills": kills}[arguments.what](arguments, Path(folder))
    print(json.dumps(found, indent=1))
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / f"forecast_{arguments.what}.json"
    write_atomically(file, lambda path: path.write_text(json.dumps(found, indent=1) + "\n"))


if __name__ == "__main__":
    main()
