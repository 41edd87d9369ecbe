"""Speed and memory of ``gensim-graph data prepare``, and of training samples from the store that it writes.

Usage: python benchmarks/prepare_store.py --grid GRID.nc [--gigabytes 30] [--format netcdf] [--folder DIR] [--out DIR]

A synthetic archive of 14 variables every 6 hours is made on the ocean cells of the grid, in files of 240 records: six
waves of each variable that change with time, and noise. It is removed at the end, and so is the store. The files are
dropped from the memory of the operating system before each measurement (``--warm`` leaves them there). Samples are
drawn at random, so of a store that is much larger than all samples drawn, hardly anything is read twice. Measured are

- the rate of ``prepare``, its largest memory (all processes together), and the rate of reading the archive with xarray;
- the time until a training has its plan and its first sample, and the memory that this takes;
- samples a second of several processes from the store, and of the same samples from memory.

Results are written to ``OUT/prepare_store.json``. ``kill_and_resume.py`` interrupts preparations.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import xarray as xr
from shared import build_parser, print_and_write, show_progress

import gensim_graph as gg
from gensim_graph.data import (
    Normaliser,
    PreparedTrajectories,
    SamplingConfig,
    TrainingSamples,
    Trajectories,
    statistics_of,
)
from gensim_graph.io import mesh_to_dataset, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.system import describe_machine, keep_freed_memory

LEAD = np.timedelta64(12, "h")
STEP = np.timedelta64(6, "h")
FILE_RECORDS = 240
BLOCK = 24
WAVES = 6

SCALES = {
    "sit": (2.0, 0.4), "sic": (0.8, 0.2), "sid": (0.5, 0.3), "siu": (0.0, 0.1), "siv": (0.0, 0.1), "snt": (0.2, 0.05),
    "tus": (255.0, 8.0), "huss": (2e-3, 5e-4), "uas": (0.0, 4.0), "vas": (0.0, 4.0),
    "pdd_month": (20.0, 5.0), "fdd_month": (500.0, 100.0), "pdd_year": (200.0, 50.0), "fdd_year": (3000.0, 500.0),
}  # fmt: skip
"""Variable -> typical value and amplitude."""


def main() -> None:
    """Make the archive, measure, and remove it."""
    options = _options()
    work = options.folder / "prepare_store"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    try:
        mesh = gg.load_mesh(options.grid)
        records = round(options.gigabytes * 1e9 / (4 * mesh.n_faces * len(SCALES)))
        archive = make_archive(mesh, records, work / "archive", options.format)
        found: dict[str, Any] = {
            "machine": describe_machine(torch.device("cpu")),
            "cells": mesh.n_faces,
            "records": records,
            "archive_bytes": size_of(archive),
            "warm": options.warm,
        }
        found["read_plain"] = measure_plain(archive, options)
        found["prepare"] = measure_prepare(archive, work / "store.zarr", options)
        found["start"] = measure_start(work / "store.zarr", options)
        found["samples"] = measure_samples(archive, work / "store.zarr", options)
        print_and_write(options.out / "prepare_store.json", found)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_archive(mesh: Mesh, records: int, folder: Path, kind: str) -> Path:
    """Write the synthetic archive.

    Args:
        mesh: its mesh.
        records: number of records.
        folder: where it is written.
        kind: ``zarr`` or ``netcdf``.
    """
    folder.mkdir()
    table, rng = gg.default_variables(), np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (len(SCALES), WAVES))
    vectors = rng.standard_normal((len(SCALES), WAVES, 2)) * 2e-6
    angles = np.einsum("vwd,fd->vwf", vectors, mesh.centres)
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    noise = (0.05 * rng.standard_normal((4, mesh.n_faces))).astype(np.float32)

    for number, first in enumerate(range(0, records, FILE_RECORDS)):
        count = min(FILE_RECORDS, records - first)
        times = np.datetime64("2000-01-01", "ns") + (first + np.arange(count)) * STEP
        path = folder / f"part_{number:04}.{'zarr' if kind == 'zarr' else 'nc'}"
        frame = mesh_to_dataset(mesh).assign_coords(time=times)

        for channel, (name, (middle, size)) in enumerate(SCALES.items()):
            turns = phase[channel] + 0.05 * (first + np.arange(count))[:, None] * (1 + np.arange(WAVES))
            factors = np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
            values = middle + size / 2 * (factors @ waves[channel] + noise[(channel + np.arange(count)) % 4])
            low, high = max(table[name].lower, -1e9), min(table[name].upper, 1e9)
            bounded = np.clip(values, low, high).astype(np.float32)
            columns = xr.DataArray(bounded, dims=("time", "face"), attrs=table[name].attrs)
            part = frame.assign({name: columns}) if channel == 0 else xr.Dataset({name: columns})
            write_part(part, path, kind, first_variable=channel == 0)
        show_progress(f"archive: {first + count} of {records} records")

    return folder


def write_part(part: xr.Dataset, path: Path, kind: str, first_variable: bool) -> None:
    """Write or append variables of a file, one record a chunk.

    Args:
        part: the variables.
        path: the file.
        kind: ``zarr`` or ``netcdf``.
        first_variable: begin the file.
    """
    name = next(name for name in SCALES if name in part)
    mode: Any = "w" if first_variable else "a"
    if kind == "zarr":
        part.to_zarr(path, mode=mode, consolidated=False, encoding={name: {"chunks": (1, part.sizes["face"])}})
    else:
        encoding = {name: {"chunksizes": (1, part.sizes["face"])}}
        part.to_netcdf(path, mode=mode, engine="netcdf4", encoding=encoding)


def measure_plain(archive: Path, options: argparse.Namespace) -> dict[str, float]:
    """Rate of reading all variables with xarray, one process."""
    drop_from_memory(archive, options)
    begin, read = time.perf_counter(), 0

    for path in sorted(archive.iterdir()):
        engine: Any = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {"engine": "netcdf4"}
        with xr.open_dataset(path, **engine) as dataset:
            for first in range(0, dataset.sizes["time"], BLOCK):
                for name in SCALES:
                    read += dataset[name].isel(time=slice(first, first + BLOCK)).values.nbytes

    seconds = time.perf_counter() - begin
    show_progress(f"reading: {read / seconds / 1e6:.0f} MB/s")
    return {"seconds": seconds, "bytes_per_second": read / seconds}


def measure_prepare(archive: Path, store: Path, options: argparse.Namespace) -> dict[str, float]:
    """Rate and memory of the command."""
    drop_from_memory(archive, options)
    begin = time.perf_counter()
    process = subprocess.Popen(prepare_command(archive, store, options))
    peak = peak_of(process)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit("prepare has failed")

    values = json.loads((store / "prepared.json").read_text())
    records = sum(piece["count"] for one in values["segments"] for piece in one["pieces"])
    rate = 4 * records * values["cells"] * len(values["names"]) / seconds
    show_progress(f"prepare: {rate / 1e6:.0f} MB/s, {peak / 1e9:.2f} GB of memory")

    return {"seconds": seconds, "bytes_per_second": rate, "peak_memory_bytes": peak, "store_bytes": size_of(store)}


def prepare_command(archive: Path, store: Path, options: argparse.Namespace) -> list[str]:
    """Return the command that prepares a store.

    Args:
        archive: the archive.
        store: the store.
        options: the parsed command line.
    """
    sources = sorted(map(str, archive.iterdir()))
    command = [sys.executable, "-m", "gensim_graph", "data", "prepare", *sources, "--out", str(store)]
    return [*command, "--workers", str(options.workers)]


def peak_of(process: subprocess.Popen) -> int:
    """Wait for a process; return the largest memory of it and its children, bytes, each shared page counted once."""
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):  # a process has ended meanwhile
            peak = max(peak, sum(one.memory_full_info().pss for one in [watched, *watched.children(recursive=True)]))
        time.sleep(0.5)

    return peak


def measure_start(store: Path, options: argparse.Namespace) -> dict[str, float]:
    """Time and memory of a fresh process until the plan of the training and the first sample."""
    drop_from_memory(store, options)
    return in_fresh_process(_start, store)


def _start(store: Path) -> dict[str, float]:
    keep_freed_memory()
    begin, before = time.perf_counter(), psutil.Process().memory_full_info().uss
    data = PreparedTrajectories.open(store, gg.default_variables(), LEAD)
    opened = time.perf_counter() - begin
    samples = samples_of(data)
    planned = time.perf_counter() - begin
    samples[0]

    return {
        "open_seconds": opened,
        "statistics_seconds": planned,
        "first_sample_seconds": time.perf_counter() - begin,
        "memory_bytes": psutil.Process().memory_full_info().uss - before,
    }


def samples_of(data: Any) -> TrainingSamples:
    """Return training samples with the default settings."""
    table = gg.default_variables()
    normaliser = Normaliser(table, statistics_of([data], table, 12.0))
    return TrainingSamples([data], normaliser, SamplingConfig(), seed=0, count=10**6)


def measure_samples(archive: Path, store: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Samples a second from the cold store, and from records in memory."""
    found: dict[str, Any] = {}
    drop_from_memory(store, options)
    found["store"] = in_processes(_draw_from_store, store, options)

    found["memory"] = in_processes(_draw_from_memory, sorted(archive.iterdir())[0], options)
    for name in ("store", "memory"):
        show_progress(f"samples from {name}: {found[name]['samples_per_second']:.0f} a second")

    return found


def _draw_from_store(store: Path, first: int, count: int) -> dict[str, float]:
    return _draw(PreparedTrajectories.open(store, gg.default_variables(), LEAD), first, count)


def _draw_from_memory(path: Path, first: int, count: int) -> dict[str, float]:
    dataset = open_store(path).isel(time=slice(0, 60))
    return _draw(Trajectories.from_dataset(dataset, gg.default_variables(), LEAD), first, count)


def _draw(data: Any, first: int, count: int) -> dict[str, float]:
    torch.set_num_threads(1)
    samples = samples_of(data)
    for number in range(count, 2 * count):  # graphs and caches of subgraphs as in the middle of a training
        samples[10**5 + number]

    begin, cells = time.perf_counter(), 0
    batch = SamplingConfig().batch
    for number in range(first, first + count, batch):  # as the loader of the training asks for them
        cells += sum(len(sample.noised) for sample in samples.__getitems__(range(number, number + batch)))
    seconds = time.perf_counter() - begin

    count = -(-count // batch) * batch
    return {"samples_per_second": count / seconds, "cells": cells / count}


def in_processes(work: Callable[..., dict[str, float]], path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Let several fresh processes draw samples, and add up their rates.

    Args:
        work: draws samples.
        path: store or file.
        options: the parsed command line.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.workers) as pool:
        jobs = [(path, number * options.samples, options.samples) for number in range(options.workers)]
        rows = pool.starmap(work, jobs, chunksize=1)

    total = sum(row["samples_per_second"] for row in rows)
    return {"processes": options.workers, "samples_per_second": total, "cells": rows[0]["cells"]}


def in_fresh_process(work: Callable[..., dict[str, float]], *given: Any) -> dict[str, float]:
    """Call a function in a process of its own.

    Args:
        work: the function.
        *given: its arguments.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def drop_from_memory(path: Path, options: argparse.Namespace) -> None:
    """Let the operating system forget the content of files.

    Args:
        path: file or folder.
        options: the parsed command line.
    """
    if options.warm:
        return
    os.sync()
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            number = os.open(file, os.O_RDONLY)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)


def size_of(path: Path) -> int:
    """Return the size of all files in a folder, bytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="results")
    parser.add_argument("--grid", type=Path, required=True, help="grid with a mask of ocean cells, netCDF")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the values of the archive (default: 2)")
    parser.add_argument("--format", choices=["zarr", "netcdf"], default="zarr", help="files of the archive")
    parser.add_argument("--folder", type=Path, default=Path("."), help="where archive and store are written")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--samples", type=int, default=1000, help="samples drawn by each process")
    parser.add_argument("--warm", action="store_true", help="keep files in the memory of the operating system")
    return parser.parse_args()


if __name__ == "__main__":
    main()
