"""Two years of hourly winds on a grid of 0.25 degrees, made for this purpose, as the forcing of a training.

Loaders draw training samples that do not depend on each other. Measured are the memory of each loader, the share of the
time in which it computes, and the samples a second; and the error of the winds, which are known in closed form.

Usage: python benchmarks/forcing_from_elsewhere.py --data DATA.nc ... [--days 731] [--samples 400] [--loaders 2]
       [--out DIR]

``DATA.nc`` are trajectories on a mesh of the Arctic; their times must lie within the winds, which begin with the first
year of the data. The files of the winds, 450 MB a month, are made in a temporary folder and removed. Results are
written to ``OUT/forcing_from_elsewhere.json``.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import torch
from shared import build_parser, print_and_write
from torch.utils.data import DataLoader, Dataset, get_worker_info

from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    TrainingBatch,
    TrainingData,
    TrainingSamples,
    Trajectories,
    statistics_of,
    with_forcing,
)
from gensim_graph.io import open_stores
from gensim_graph.mesh.planes import east_north, lonlat, unproject
from gensim_graph.system import describe_machine
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

LON, LAT = np.arange(0.0, 360.0, 0.25), np.arange(90.0, 49.9, -0.25)
SCALE = 0.002  # m/s, of the packed values
WAVES = 12


def main() -> None:
    """Make the winds, draw samples, and write the results."""
    options = _options()
    table = default_variables()
    first = min(part.times(0)[0] for part in trajectories_of(options.data))
    first = first.astype("datetime64[Y]").astype("datetime64[ns]")

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        megabytes = make_winds(Path(folder), first, options.days)
        print(f"made {megabytes:.0f} MB of winds in {time.perf_counter() - begin:.0f} s", flush=True)

        begin = time.perf_counter()
        parts = trajectories_of(options.data)
        forced = with_forcing(parts, f"{folder}/*.nc", table)
        opening = time.perf_counter() - begin
        normaliser = Normaliser(table, statistics_of(forced, table, 12.0))
        planning = time.perf_counter() - begin

        found = {
            "machine": describe_machine(torch.device("cpu")),
            "data": [path.name for path in options.data],
            "faces": parts[0].mesh.n_faces,
            "megabytes_of_winds": megabytes,
            "seconds_to_open": opening,
            "seconds_to_open_and_compute_statistics": planning,
            "wind_error_m_s": wind_error(forced[0], first),
        }
        for name, data in (("winds_from_files", forced), ("winds_in_memory", parts)):
            samples = TrainingSamples(data, normaliser, SamplingConfig(), seed=0, count=options.samples)
            found[name] = draw(samples, options.loaders)

    print_and_write(options.out / "forcing_from_elsewhere.json", found)


def _options() -> Any:
    parser = build_parser(__doc__, out="forcing")
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="trajectories on a mesh of the Arctic")
    parser.add_argument("--days", type=int, default=731)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--loaders", type=int, default=2)
    return parser.parse_args()


def trajectories_of(paths: list[Path]) -> list[Trajectories]:
    """Trajectories of the files; what reading them needs besides is freed."""
    lead = np.timedelta64(12, "h")
    return [Trajectories.from_dataset(store, default_variables(), lead) for store in open_stores(paths)]


def wave_numbers() -> tuple[Array, Array, Array, Array]:
    """Zonal and meridional wave numbers, periods (h) and phases of the winds."""
    rng = np.random.default_rng(0)
    return rng.integers(1, 40, WAVES), rng.uniform(2, 60, WAVES), rng.uniform(20, 200, WAVES), rng.uniform(0, 6, WAVES)


def winds_at(hours: float, lon: Array, lat: Array) -> tuple[Array, Array]:
    """Eastward and northward wind in m/s: waves that vanish at the pole.

    Args:
        hours: since the beginning.
        lon: degrees, broadcast with ``lat``.
        lat: degrees.
    """
    east = north = 0.0
    for zonal, meridional, period, phase in zip(*wave_numbers(), strict=True):
        angle = zonal * np.radians(lon) + meridional * np.radians(lat) + 2 * np.pi * hours / period + phase
        height = 4.0 * np.cos(np.radians(lat))
        east, north = east + height * np.cos(angle), north + height * np.sin(angle)
    return east, north


def make_winds(folder: Path, first: np.datetime64, days: int) -> float:
    """Write hourly winds, one file a month, packed to 16 bits and compressed as those of ERA5; return their size in MB.

    Args:
        folder: for the files.
        first: first time.
        days: number of days.
    """
    # cos(a + 2 pi t / T) of each wave is a sum of two fixed fields, so that a record is a product of matrices.
    fields = []
    for zonal, meridional, _, phase in zip(*wave_numbers(), strict=True):
        angle = zonal * np.radians(LON) + (meridional * np.radians(LAT) + phase)[:, None]
        height = 4.0 * np.cos(np.radians(LAT))[:, None]
        fields.append(np.stack([height * np.cos(angle), height * np.sin(angle)]).astype(np.float32))
    basis = np.stack(fields).reshape(WAVES, 2, -1)

    rng = np.random.default_rng(1)
    times = first + np.arange(24 * days) * np.timedelta64(1, "h")
    months = times.astype("datetime64[M]")
    for month in np.unique(months):
        hours = np.flatnonzero(months == month)
        with netCDF4.Dataset(folder / f"era5_{month}.nc", "w") as file:
            columns = _layout(file, first, hours)
            for row, hour in enumerate(hours):
                turn = 2 * np.pi * hour / wave_numbers()[2]
                cosine, sine = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
                east = cosine @ basis[:, 0] - sine @ basis[:, 1]
                north = cosine @ basis[:, 1] + sine @ basis[:, 0]
                for column, values in zip(columns, (east, north), strict=True):
                    # Rounding noise of some steps makes the files as hard to compress as genuine ones.
                    packed = np.rint(values / SCALE) + rng.integers(-3, 4, values.size)
                    column[row] = packed.astype(np.int16).reshape(len(LAT), len(LON))

    return sum(file.stat().st_size for file in folder.glob("*.nc")) / 1e6


def _layout(file: netCDF4.Dataset, first: np.datetime64, hours: Array) -> list[netCDF4.Variable]:
    for name, values in (("valid_time", hours), ("latitude", LAT), ("longitude", LON)):
        file.createDimension(name, len(values))
        file.createVariable(name, "f8", (name,))[:] = values
    file["valid_time"].units = f"hours since {np.datetime_as_string(first, 's').replace('T', ' ')}"
    file["latitude"].units, file["longitude"].units = "degrees_north", "degrees_east"

    columns = []
    for name, word in (("u10", "eastward_wind"), ("v10", "northward_wind")):
        dims = ("valid_time", "latitude", "longitude")
        column = file.createVariable(name, "i2", dims, zlib=True, complevel=1, shuffle=True,
                                     chunksizes=(1, len(LAT), len(LON)), fill_value=-32767)  # fmt: skip
        column.setncatts({"units": "m s**-1", "standard_name": word, "scale_factor": SCALE, "add_offset": 0.0})
        column.set_auto_maskandscale(False)
        columns.append(column)

    return columns


def wind_error(data: TrainingData, first: np.datetime64) -> float:
    """RMS error (m/s) of the winds at five times, against the closed form at the centres of the faces."""
    names = [variable.name for variable in default_variables().forcing]
    lon, lat = lonlat(unproject(data.mesh.centres, data.mesh.crs))
    errors = []
    for start in np.linspace(0, data.n_starts - 1, 5).astype(int):
        hours = float((data.times(0)[start] - first) / np.timedelta64(1, "h"))
        expected = east_north(data.mesh.centres, data.mesh.crs).to_plane(*winds_at(hours, lon, lat))
        came = data.read(0, start).forcing
        errors += [came[:, names.index(name)] - one for name, one in zip(("uas", "vas"), expected, strict=True)]
    return float(np.sqrt(np.mean(np.square(errors))))


class _Watched(Dataset):
    """Samples without their values: when each was drawn, with the processor time and memory of its loader."""

    def __init__(self, samples: TrainingSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> tuple[int, float, float, float, float, float]:
        begin, used, waited = time.perf_counter(), time.process_time(), queued()
        sample: TrainingBatch = self.samples[number]
        assert torch.isfinite(sample.conditions).all()
        worker = get_worker_info()
        busy = time.process_time() - used
        return worker.id if worker else 0, begin, time.perf_counter(), busy, queued() - waited, memory_here()


def queued() -> float:
    """Seconds for which this process was ready to compute and another one had the processor (Linux)."""
    return float(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def memory_here() -> float:
    """Resident memory of this process in MB, with the pages that it shares with the main process (Linux)."""
    rows = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(float(row.split()[1]) / 1e3 for row in rows if row.startswith("VmRSS"))


def draw(samples: TrainingSamples, loaders: int) -> dict[str, Any]:
    """Draw all samples in some loaders, and say how busy and how large each was; the first tenth is not timed.

    Args:
        samples: what is drawn.
        loaders: number of processes.
    """
    torch.set_num_threads(1)
    loader = DataLoader(_Watched(samples), batch_size=8, num_workers=loaders, collate_fn=list)
    rows = np.array([row for batch in _counted(loader) for row in batch])

    workers = {}
    for number in range(loaders):
        mine = rows[rows[:, 0] == number]
        timed = mine[len(mine) // 10 :]
        length = timed[-1, 2] - timed[0, 1]
        workers[f"loader {number}"] = {
            "peak_memory_mb": float(mine[:, 5].max()),
            "share_of_time_on_processor": float(timed[:, 3].sum() / length),
            "share_of_time_waiting_for_a_free_processor": float(timed[:, 4].sum() / length),
            "processor_milliseconds_per_sample": float(1e3 * timed[:, 3].mean()),
            "samples_per_second": len(timed) / length,
            "milliseconds_per_sample": float(1e3 * np.median(timed[:, 2] - timed[:, 1])),
        }

    return workers


def _counted(loader: DataLoader) -> Iterator[list[tuple[float, ...]]]:
    for number, batch in enumerate(loader):
        if number % 10 == 0:
            print(f"batch {number} of {len(loader)}", flush=True)
        yield batch


if __name__ == "__main__":
    main()
