"""neXtSIM's binary container, compared with bytes written by hand, with struct, and with genuine files."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.places import NEXTSIM
from support.plain_nextsim import plain_read

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_dat import extreme_texts
from gensim_graph.io.nextsim.nextsim_records import Record, read_records, write_files, write_records

DATA = NEXTSIM
BASES = sorted({path.with_suffix("") for path in DATA.glob("box/**/*.bin")})


def written(folder: Path, lines: str, content: bytes) -> Path:
    """Write a ``.dat`` and a ``.bin`` and return their common path."""
    (folder / "field_0.dat").write_bytes(lines.encode("latin-1"))
    (folder / "field_0.bin").write_bytes(content)
    return folder / "field_0"


def test_two_triangles_by_hand(tmp_path):
    """A square of two triangles and its fields, byte by byte as the model writes them."""
    mesh = (
        "06000000 01000000 02000000 03000000 01000000 03000000 04000000 04000000 01000000 02000000 03000000 04000000"
        "04000000 00000000 00000000 00000000 0088c340 00000000 0088c340 00000000 00000000 04000000 00000000 00000000"
        "00000000 00000000 00000000 0088c340 00000000 0088c340"
    )
    records = [
        Record("Elements", np.array([1, 2, 3, 1, 3, 4], dtype="<i4")),
        Record("id", np.array([1, 2, 3, 4], dtype="<i4")),
        Record("Nodes_x", np.array([0.0, 1e4, 1e4, 0.0])),
        Record("Nodes_y", np.array([0.0, 0.0, 1e4, 1e4])),
    ]
    write_records(tmp_path / "mesh_0.bin", records)
    assert (tmp_path / "mesh_0.bin").read_bytes() == bytes.fromhex(mesh)
    lines = "Elements int 6 1 4\nid int 4 1 4\nNodes_x double 4 0 10000\nNodes_y double 4 0 10000\n"
    assert (tmp_path / "mesh_0.dat").read_text() == lines
    field = (
        "01000000 00000000 88d5e140 08000000 cdcccc3d cdcc4c3e 9a99993e cdcccc3e cdccccbd cdcc4cbe 9a9999be cdccccbe"
        "02000000 00000000 0000003f 02000000 0000803f 6666663f"
    )
    lines = "Time double 1 36524.2 36524.2\nM_VT float 8 -0.4 0.4\nDamage float 2 0 0.5\nConcentration float 2 0.9 1\n"
    time, velocity, damage, area = read_records(written(tmp_path, lines, bytes.fromhex(field)))
    assert time.values == 36524.25
    np.testing.assert_array_equal(velocity.values, np.float32([0.1, 0.2, 0.3, 0.4, -0.1, -0.2, -0.3, -0.4]))
    np.testing.assert_array_equal(damage.values, np.float32([0.0, 0.5]))
    np.testing.assert_array_equal(area.values, np.float32([1.0, 0.9]))
    assert area.extremes == ("0.9", "1")


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_genuine_files_come_back_byte_for_byte(base, tmp_path):
    """A genuine file is read and written again; the values equal those that struct reads."""
    records = read_records(base)
    for record, (name, values) in zip(records, plain_read(base), strict=True):
        assert record.name == name
        assert record.values.dtype == values.dtype
        np.testing.assert_array_equal(record.values, values)
    write_records(tmp_path / base.name, records)
    for suffix in (".bin", ".dat"):
        assert (tmp_path / (base.name + suffix)).read_bytes() == base.with_suffix(suffix).read_bytes()


def test_all_genuine_files_come_back_byte_for_byte(shared_data, tmp_path):
    """Every pair and restart of two runs is read and written again."""
    bases = sorted({path.with_suffix("") for path in shared_data.glob("native/**/*.bin")})
    assert len(bases) > 100
    for base in bases:
        write_records(tmp_path / "copy", read_records(base))
        assert (tmp_path / "copy.bin").read_bytes() == base.with_suffix(".bin").read_bytes()
        assert (tmp_path / "copy.dat").read_bytes() == base.with_suffix(".dat").read_bytes()


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_extremes_are_those_of_the_model(base):
    """The model takes the extremes of floats from the doubles, so the last digit may differ from ours."""
    for record in read_records(base):
        exact = record.values.dtype != np.float32
        for text, own in zip(extreme_texts(record.values), record.extremes, strict=True):
            assert text == own if exact else float(text) == pytest.approx(float(own), rel=1.1e-5, abs=1e-44)


def test_extremes_of_doubles_before_the_cast(tmp_path):
    """0.1999995001 is printed as 0.2; cast to float it is 0.1999994963 and would be printed as 0.199999."""
    values = np.array([0.1999995001, 0.0])
    record = Record.in_float("Damage", values)
    assert record.line == "Damage float 2 0 0.2\n"
    assert Record("Damage", values.astype("<f4")).line == "Damage float 2 0 0.199999\n"
    write_records(tmp_path / "a", [record])
    assert read_records(tmp_path / "a")[0].extremes == ("0", "0.2")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, np.nan, -2.0], ("-2", "1")),  # the model's loop ignores a NaN ...
        ([np.nan, 1.0], ("nan", "nan")),  # ... unless it is the first value
        ([-np.nan, 1.0], ("-nan", "-nan")),
        ([0.0, -0.0], ("0", "0")),
        ([-0.0, 0.0], ("-0", "-0")),
        ([np.inf, 1.0], ("1", "inf")),
        ([1e-300, 123456.7], ("1e-300", "123457")),
        ([], ("0", "0")),
    ],
)
def test_extremes_as_a_loop_in_c_finds_them(values, expected, tmp_path):
    """The texts are those of std::min_element and max_element with %g; files with them can be read."""
    assert extreme_texts(np.array(values)) == expected
    write_records(tmp_path / "a", [Record("x", np.array(values))])
    np.testing.assert_array_equal(read_records(tmp_path / "a")[0].values, values)


def test_names_may_occur_twice(tmp_path):
    """If six diagnostic records have one name, all are kept in their order."""
    records = [Record("D_tau_ow", np.array([float(number)])) for number in range(6)]
    write_records(tmp_path / "a", records)
    assert [float(record.values[0]) for record in read_records(tmp_path / "a")] == [0, 1, 2, 3, 4, 5]


LINE = "Damage double 2 0 0.5\n"
VALUES = struct.pack("<i2d", 2, 0.0, 0.5)

BROKEN = {
    "truncated": (LINE, VALUES[:-1], "truncated"),
    "cut in the count": (LINE, VALUES[:2], "truncated"),
    "empty": (LINE, b"", "truncated"),
    "too long": (LINE, VALUES + b"\0", "longer"),
    "big-endian": (LINE, struct.pack(">i2d", 2, 0.0, 0.5), "big-endian"),
    "another count": (LINE, struct.pack("<i2d", 3, 0.0, 0.5), "3 values, its .dat 2"),
    "huge count": (LINE, struct.pack("<i2d", 2**31 - 1, 0.0, 0.5), "damaged"),
    "negative count": (LINE, struct.pack("<i2d", -2, 0.0, 0.5), "damaged"),
    "huge count in the text": ("Damage double 2147483647 0 0.5\n", VALUES, "17179869180"),
    "count beyond int32": ("Damage double 4294967298 0 0.5\n", VALUES, "expected a count"),
    "count with a digit less": ("Damage double 1 0 0.5\n", VALUES, "longer"),
    "negative count in the text": ("Damage double -2 0 0.5\n", VALUES, "expected a count"),
    "count that is no number": ("Damage double two 0 0.5\n", VALUES, "expected a count"),
    "text instead of values": (LINE, LINE.encode()[:20], "damaged"),
    "values instead of text": (VALUES.decode("latin-1"), VALUES, "is not text"),
    "not ASCII": ("Dämage double 2 0 0.5\n", VALUES, "is not text"),
    "empty text": ("", VALUES, "is empty"),
    "blank text": (" \n\n", VALUES, "is empty"),
    "blank line": (LINE + "\n" + LINE, VALUES * 2, "line 2"),
    "four words": ("Damage double 2 0\n", VALUES, "line 1"),
    "six words": ("Damage double 2 0 0.5 1\n", VALUES, "line 1"),
    "endless line": ("Damage double 2 0 0." + "5" * 10_000 + "\n", VALUES, "line 1"),
    "unknown type": ("Damage real 2 0 0.5\n", VALUES, "int, float, double"),
    "another type": ("Damage float 2 0 0.5\n", VALUES, "longer"),
    "no name": ("0amage double 2 0 0.5\n", VALUES, "is not a name"),
    "minimum is no number": ("Damage double 2 O 0.5\n", VALUES, "expected two numbers"),
    "minimum is no integer": ("id int 1 0.5 1\n", struct.pack("<2i", 1, 1), "expected two numbers"),
    "maximum of another file": ("Damage double 2 0 0.6\n", VALUES, "0 to 0.5"),
    "value beyond the maximum": (LINE, struct.pack("<i2d", 2, 0.0, 0.6), "0 to 0.6"),
    "value beyond the minimum": (LINE, struct.pack("<i2d", 2, -1e-9, 0.5), "-1e-09 to 0.5"),
    "NaN first": (LINE, struct.pack("<i2d", 2, np.nan, 0.5), "nan"),
    "float beyond the rounding": ("Damage float 2 0 0.5\n", struct.pack("<i2f", 2, 0.0, 0.500004), "0.500004"),
    "integer beyond": ("id int 2 1 2\n", struct.pack("<3i", 2, 1, 3), "1 to 3"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused(kind, tmp_path):
    """The message names the file and what is wrong."""
    lines, content, message = BROKEN[kind]
    with pytest.raises(InputError, match=r"field_0\.(bin|dat)") as error:
        read_records(written(tmp_path, lines, content))
    assert message in str(error.value)


@pytest.mark.parametrize("missing", [".bin", ".dat"])
def test_both_parts_are_needed(missing, tmp_path):
    """The message names the missing part."""
    base = written(tmp_path, LINE, VALUES)
    base.with_suffix(missing).unlink()
    with pytest.raises(InputError, match=rf"field_0\{missing} is missing"):
        read_records(base.with_suffix(".bin"))


def test_counts_take_no_memory(tmp_path):
    """A file of a few bytes that claims 16 GB is refused without allocating memory for it."""
    base = written(tmp_path, "Damage double 2147483647 0 0.5\n", struct.pack("<i2d", 2**31 - 1, 0.0, 0.5))
    tracemalloc.start()
    with pytest.raises(InputError):
        read_records(base)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize(
    "values", [np.zeros((2, 2)), np.zeros(2, dtype=">f8"), np.array(["a"]), np.zeros(2, dtype=bool)]
)
def test_records_of_other_kinds_are_refused(values):
    """Values that the files cannot hold are refused."""
    with pytest.raises(InputError, match="int32, float32 or float64"):
        Record("x", values)


def test_files_are_written_together_or_not_at_all(tmp_path):
    """If the second file cannot be written, the first one is not replaced."""
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on the system
        write_files({tmp_path / "a": b"new", tmp_path / "missing" / "b": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
