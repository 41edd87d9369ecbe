"""Shards that are written by hand, read by two other programs: zarr-python and tensorstore."""

import numpy as np
import pytest
import zarr

from gensim_graph.data.prepared.values import CellStore, array_metadata, raw_writing, shard_path, write_metadata

RECORDS, SHARD = 7, 4


def write_store(path, cells, channels, dtype, missing=()):
    """Write random values in two shards, the second of them in part; return what was written."""
    write_metadata(path, array_metadata((2 * SHARD, cells, channels), SHARD, dtype, compressed=False))
    store = CellStore(path, writable=True)
    shard = store.empty_shard()
    values = np.random.default_rng(0).standard_normal((RECORDS, cells, channels)).astype(dtype)
    values[list(missing)] = np.nan

    for first in (0, SHARD):
        part = values[first : first + SHARD]
        shard[: len(part), :cells] = part
        store.write(first, shard[: len(part)])
    return values


def read_by_tensorstore(path):
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return tensorstore.open(spec, open=True, read=True).result().read().result()


@pytest.mark.parametrize(
    ("cells", "channels", "dtype"),
    [
        pytest.param(2500, 3, "float32", id="whole pages"),
        pytest.param(2500, 3, "float16", id="parts of pages"),
        pytest.param(50, 2, "float32", id="one small chunk"),
    ],
)
def test_other_programs_read_the_same_values(tmp_path, cells, channels, dtype):
    values = write_store(tmp_path, cells, channels, dtype)
    for read in (lambda: zarr.open_array(str(tmp_path), mode="r")[:], lambda: read_by_tensorstore(tmp_path)):
        found = read()
        np.testing.assert_array_equal(found[:RECORDS], values)
        assert np.isnan(found[RECORDS:]).all()


def test_records_without_values_take_no_room(tmp_path):
    whole, sparse = tmp_path / "whole", tmp_path / "sparse"
    write_store(whole, 2500, 3, "float32")
    values = write_store(sparse, 2500, 3, "float32", missing=(1, 4, 5, 6))

    np.testing.assert_array_equal(zarr.open_array(str(sparse), mode="r")[:RECORDS], values)
    sizes = [shard_path(path, 0).stat().st_size for path in (whole, sparse)]
    assert sizes[0] - sizes[1] == 3 * 1024 * 3 * 4
    assert not shard_path(sparse, 1).exists()


def test_a_file_system_without_direct_writing(tmp_path, monkeypatch):
    """The bytes are the same as with it."""
    write_store(tmp_path / "direct", 2500, 3, "float32")
    monkeypatch.setattr(raw_writing, "_open_direct", lambda path: None)
    write_store(tmp_path / "plain", 2500, 3, "float32")
    files = [shard_path(tmp_path / name, 0).read_bytes() for name in ("direct", "plain")]
    assert files[0] == files[1]


def test_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    def full(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(raw_writing.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_store(tmp_path, 2500, 3, "float32")
    assert not list((tmp_path / "c").rglob("0/0/*"))
