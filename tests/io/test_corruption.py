"""Random damage to genuine files: a clear error or what the file says, never another exception, a crash or a hang."""

import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.corrupt import attempt, damaged
from support.dynamical import dynamical
from support.places import NEXTSIM, ROOT
from support.plain_nextsim import plain_read

import gensim_graph as gg
from gensim_graph.io.nextsim.nextsim_snapshot import Snapshot, read_snapshot

DATA = NEXTSIM
SIX = "20000101T060000Z"
RECORDS = {"sic": "Concentration", "sit": "Thickness", "snt": "Snow", "sid": "Damage"}


def read_damaged_pairs(folder: Path, source: Path, rounds: int, seed: int) -> tuple[int, int]:
    """Damage one of the four files of a pair at a time; what is read must be what struct finds in it.

    Returns:
        How many were read, and how many refused.
    """
    rng, read = np.random.default_rng(seed), 0
    files = sorted(source.glob(f"*_{SIX}.*"))
    for file in files:
        shutil.copy(file, folder)
    for number in range(rounds):
        file = files[number % 4]
        (folder / file.name).write_bytes(damaged(file.read_bytes(), rng))
        snapshot, message, seconds = attempt(lambda: read_snapshot(folder / f"mesh_{SIX}.bin"))
        assert seconds < 5
        if snapshot is not None:
            mesh, message, _ = attempt(lambda: snapshot.to_mesh(snapshot.on_coast))  # noqa: B023
        if message:
            assert SIX in message, (number, message)
        else:
            read += 1
            check(snapshot, mesh, dict(plain_read(folder / f"field_{SIX}")))
        shutil.copy(file, folder / file.name)
    return read, rounds - read


def check(snapshot: Snapshot, mesh: gg.Mesh, plain: dict[str, np.ndarray]) -> None:
    """What was read is plausible, and what the damaged file says."""
    for name, values in snapshot.faces.items():
        assert len(values) == mesh.n_faces
        low, high = gg.default_variables()[name].range
        assert ((low <= values) & (values <= high)).all()
        if RECORDS.get(name) in plain:
            np.testing.assert_array_equal(values, plain[RECORDS[name]])
    assert abs(snapshot.time - np.datetime64("2000-01-01T06:00")) <= np.timedelta64(1, "s")


@pytest.mark.parametrize("kind", ["output", "restart"])
def test_damaged_pairs(kind, tmp_path):
    """A few hundred; the memory that reading takes is that of the files."""
    source = DATA / "box" if kind == "output" else DATA / "box" / "restart"
    tracemalloc.start()
    read, refused = read_damaged_pairs(tmp_path, source, 200, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read > 0
    assert refused > 100
    assert peak < 40 * max(file.stat().st_size for file in source.glob("field_*.bin"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["output", "restart"])
def test_many_damaged_pairs(kind, tmp_path):
    """Ten thousand in all."""
    source = DATA / "box" if kind == "output" else DATA / "box" / "restart"
    read, refused = read_damaged_pairs(tmp_path, source, 5000, seed=2)
    assert read > 100
    assert refused > 2500


def moorings(folder: Path) -> Path:
    return Path(shutil.copy(DATA / "Moorings.nc", folder))


def read_in_another_process(paths: list[Path], rounds: int, seed: int) -> list[tuple[int, int]]:
    """The netCDF library is not ours: were it to fall, it must not take the tests along."""
    program = ROOT / "tests/support/corrupt.py"
    command = [sys.executable, "-W", "ignore", str(program), str(rounds), str(seed), *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    counts = []
    for line in result.stdout.splitlines():
        read, refused, slowest, grown = line.split()
        assert float(slowest) < 5  # s
        assert float(grown) < 100  # MB
        counts.append((int(read), int(refused)))
    return counts


@pytest.mark.slow
def test_damaged_netcdf(tmp_path):
    """A few hundred."""
    for read, refused in read_in_another_process([moorings(tmp_path), dynamical(tmp_path)], 120, seed=1):
        assert min(read, refused) > 10


@pytest.mark.slow
def test_much_damaged_netcdf(tmp_path):
    """Ten thousand in all."""
    for read, refused in read_in_another_process([moorings(tmp_path), dynamical(tmp_path)], 5000, seed=2):
        assert min(read, refused) > 500
