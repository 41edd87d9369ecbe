"""A preparation that was stopped anywhere gives the same bytes; stores that are not whole are refused."""

import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import PreparedTrajectories, prepare
from gensim_graph.data.prepared import describe_store, record_layout, work_pool
from gensim_graph.data.prepared.record_moments import RecordMoments
from gensim_graph.errors import InputError
from gensim_graph.variables import default_variables

MESH = jittered_box(6)
OPTIONS = {"lead_times": [np.timedelta64(6, "h")], "progress": False}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of 25 records, one of them in two files."""
    folder = tmp_path_factory.mktemp("archive")
    paths = [folder / f"{name}.nc" for name in ("a1", "a2", "b")]
    whole = small_trajectory(MESH, hours=72)
    whole.isel(time=slice(0, 12)).to_netcdf(paths[0])
    whole.isel(time=slice(12, 25)).to_netcdf(paths[1])
    small_trajectory(MESH, hours=72, seed=1).to_netcdf(paths[2])
    return paths


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    """Four records in a shard."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_layout, "SHARD_BYTES", 4 * MESH.n_faces * 7 * 4)
        yield


@pytest.fixture(scope="module")
def whole(sources: list[Path], small_shards: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store of the sources, prepared without interruption; tests only read it."""
    return prepare(sources, tmp_path_factory.mktemp("whole") / "whole.zarr", **OPTIONS)


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, which a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "store.zarr"))


def assert_same_files(one: Path, other: Path) -> None:
    names = [sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()) for path in (one, other)]
    assert names[0] == names[1]
    assert filecmp.cmpfiles(one, other, names[0], shallow=False)[1:] == ([], [])


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Stop the next preparation when it has written so many shards, before the moments of the last are saved."""
    save, left = RecordMoments.save, [count]

    def stopping(self: RecordMoments, path: Path) -> None:
        left[0] -= 1
        if left[0] == 0:
            monkeypatch.setattr(RecordMoments, "save", save)
            raise KeyboardInterrupt
        save(self, path)

    monkeypatch.setattr(RecordMoments, "save", stopping)


@pytest.mark.parametrize(
    "counts", [pytest.param([1], marks=pytest.mark.slow), [3, 1, 2], pytest.param([14, 2], marks=pytest.mark.slow)]
)
def test_the_bytes_do_not_depend_on_interruptions(sources, whole, tmp_path, monkeypatch, counts):
    """Fourteen shards; the last stop comes when the moments of the whole store are saved."""
    for count in counts:
        stop_after(monkeypatch, count)
        with pytest.raises(KeyboardInterrupt):
            prepare(sources, tmp_path / "stopped.zarr", **OPTIONS)
    stopped = prepare(sources, tmp_path / "stopped.zarr", **OPTIONS)
    assert_same_files(whole, stopped)


def test_an_interrupted_extension_leaves_the_old_store_readable(sources, tmp_path, monkeypatch):
    out = prepare(sources[:1], tmp_path / "store.zarr", **OPTIONS)
    stop_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        prepare(sources, out, **OPTIONS)
    table, lead = default_variables(), np.timedelta64(6, "h")
    assert PreparedTrajectories.open(out, table, lead).n_pairs == 10
    prepare(sources, out, **OPTIONS)
    assert PreparedTrajectories.open(out, table, lead).n_pairs == 23 + 23


def test_several_processes_write_the_same_bytes(sources, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(work_pool, "_SMALL", 0)
    assert_same_files(whole, prepare(sources, tmp_path / "shared.zarr", workers=2, **OPTIONS))


def test_an_unfinished_store_is_refused(sources, tmp_path, monkeypatch):
    stop_after(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        prepare(sources, tmp_path / "store.zarr", **OPTIONS)
    assert describe_store(tmp_path / "store.zarr").unfinished == (3, 14)
    with pytest.raises(InputError, match="not finished, 3 of 14"):
        PreparedTrajectories.open(tmp_path / "store.zarr", default_variables(), np.timedelta64(6, "h"))
    with pytest.raises(InputError, match="other sources"):
        prepare(sources[:2], tmp_path / "store.zarr", **OPTIONS)


def _cut(store: Path) -> None:
    file = store / "values" / "c" / "1" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-5])


def _lose(store: Path) -> None:
    (store / "values" / "c" / "2" / "0" / "0").unlink()


def _age(store: Path) -> None:
    rows = json.loads((store / "prepared.json").read_text()) | {"format_version": 0}
    (store / "prepared.json").write_text(json.dumps(rows))


def _break(store: Path) -> None:
    (store / "prepared.json").write_text("{")


def _lose_moments(store: Path) -> None:
    (store / "moments.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "not whole, values/c/1/0/0"),
        (_lose, "not whole, values/c/2/0/0 has 0 of"),
        (_age, "version 0"),
        (_break, "prepared.json is damaged"),
        (_lose_moments, "moments.safetensors cannot be read"),
    ],
)
def test_a_damaged_store_is_refused(store, damage, message):
    damage(store)
    with pytest.raises(InputError, match=message):
        PreparedTrajectories.open(store, default_variables(), np.timedelta64(6, "h"))


def test_damaged_values_are_found_when_they_are_read(store):
    file = store / "values" / "c" / "0" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[-20:] = bytes(20)
    file.write_bytes(content)
    data = PreparedTrajectories.open(store, default_variables(), np.timedelta64(6, "h"))
    with pytest.raises(InputError, match="damaged"):
        data.read(0, 0)


def test_other_options_are_refused(sources, whole):
    with pytest.raises(InputError, match="--precision"):
        prepare(sources, whole, precision="float16", **OPTIONS)
    with pytest.raises(InputError, match="another mesh"):
        prepare(sources, whole, regular_grid(4), **OPTIONS)
    with pytest.raises(InputError, match="is no prepared store"):
        prepare(sources, sources[0], **OPTIONS)


@pytest.mark.slow
def test_killed_at_ten_random_moments(sources, tmp_path):
    """kill -9 of the command with two processes; the same command goes on to the same bytes."""
    script = (
        "import numpy as np, sys; from gensim_graph.data import prepare; "
        "from gensim_graph.data.prepared import record_layout, work_pool\n"
        "if __name__ == '__main__':\n"
        "    record_layout.SHARD_BYTES, work_pool._SMALL = 8064, 0\n"
        "    prepare(sys.argv[2:], sys.argv[1], lead_times=[np.timedelta64(6, 'h')], workers=2, progress=False)\n"
    )
    (tmp_path / "prepare.py").write_text(script)
    command = [sys.executable, str(tmp_path / "prepare.py")]
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"
    begin = time.monotonic()
    subprocess.run([*command, whole, *sources], check=True)
    seconds = time.monotonic() - begin
    chance = random.Random(0)

    for _ in range(10):
        process = subprocess.Popen([*command, killed, *sources], env=os.environ)
        time.sleep(chance.uniform(0.2, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()

    subprocess.run([*command, killed, *sources], check=True)
    assert_same_files(whole, killed)
