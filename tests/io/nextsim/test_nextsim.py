"""neXtSIM runs on a fixed mesh, compared with struct and numpy and with another remapping of the same run."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.places import NEXTSIM, ROOT
from support.plain_nextsim import plain_mesh, plain_read, triangle_areas

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import find_format
from gensim_graph.io.nextsim import read_nextsim
from gensim_graph.io.nextsim.nextsim_records import Record, read_records, write_records
from gensim_graph.io.nextsim.nextsim_run import find_outputs, read_snapshots
from gensim_graph.io.nextsim.nextsim_snapshot import read_snapshot
from gensim_graph.mesh.operators import in_plane
from gensim_graph.mesh.planes import NEXTSIM_CRS

DATA = NEXTSIM
BOX = DATA / "box"
FIVE, SIX = "20000101T050000Z", "20000101T060000Z"


@pytest.fixture(scope="module")
def tiny() -> gg.Mesh:
    """The mesh with which the run started."""
    return gg.load_mesh(DATA / "tiny.msh")


@pytest.fixture(scope="module")
def store(tiny) -> xr.Dataset:
    """The run on this mesh: two times with a remeshing in between."""
    return gg.open_store(BOX, mesh=tiny)


@pytest.fixture
def run(tmp_path) -> Path:
    """A copy of the two regular outputs that a test may change."""
    for file in BOX.glob("*_20000101*"):
        if "regrid" not in file.name:
            shutil.copy(file, tmp_path)
    return tmp_path


def change(base: Path, name: str, values: Callable[[np.ndarray], np.ndarray] | None, new_name: str = "") -> None:
    """Replace the values of a record and optionally its name; None leaves the record out."""
    records = []
    for record in read_records(base):
        if record.name != name:
            records.append(record)
        elif values is not None:
            records.append(Record(new_name or name, values(record.values.copy()).astype(record.values.dtype)))
    write_records(base, records)


@pytest.mark.parametrize("name", [FIVE, f"pre_regrid_{'20000101T051320Z'}", f"post_regrid_{'20000101T051320Z'}", SIX])
def test_meshes_have_the_rows_of_the_file(name):
    """Nodes and triangles have the order of the file; the boundaries have as many edges as in the .msh."""
    faces, _, nodes = plain_mesh(BOX / f"mesh_{name}")
    mesh = gg.load_mesh(BOX / f"mesh_{name}.bin")
    np.testing.assert_array_equal(mesh.faces, faces)
    np.testing.assert_array_equal(mesh.nodes, nodes)
    np.testing.assert_allclose(mesh.areas, triangle_areas(nodes, faces), rtol=1e-9)
    assert mesh.crs == NEXTSIM_CRS
    assert {key: len(pairs) for key, pairs in mesh.boundaries.items()} == {"coast": 45, "open": 15}


def test_boundaries_are_those_of_the_msh(tiny):
    """In ordinary output the boundaries follow from where the ice moves; a restart lists the coast."""

    def places(mesh: gg.Mesh, name: str) -> set:
        middle = mesh.nodes[mesh.boundaries[name]].mean(axis=1)
        return {tuple(point) for point in np.round(middle).astype(int)}

    for file in (BOX / f"field_{SIX}.bin", BOX / "restart" / f"mesh_{SIX}.dat"):
        mesh = gg.load_mesh(file)
        assert places(mesh, "coast") == places(tiny, "coast")
        assert places(mesh, "open") == places(tiny, "open")


def test_a_mesh_without_fields_is_a_mesh(tmp_path):
    """Without fields, boundaries have no names."""
    for suffix in (".bin", ".dat"):
        shutil.copy(BOX / f"mesh_{SIX}{suffix}", tmp_path)
    mesh = gg.load_mesh(tmp_path / f"mesh_{SIX}.bin")
    assert (mesh.n_faces, mesh.boundaries) == (542, {})


def test_restarts_are_displaced():
    """A restart holds the positions of the last remeshing; plus M_UM they are those of the ordinary output."""
    restart, output = (read_snapshot(folder / f"mesh_{SIX}.bin") for folder in (BOX / "restart", BOX))
    assert not np.array_equal(plain_mesh(BOX / "restart" / f"mesh_{SIX}")[2], output.mesh.nodes)
    np.testing.assert_allclose(restart.mesh.nodes, output.mesh.nodes, rtol=0, atol=1e-9)
    assert restart.time == output.time == np.datetime64("2000-01-01T06:00")
    for name in ("sic", "sit", "snt", "sid"):  # the restart has double precision, young ice apart
        np.testing.assert_allclose(restart.faces[name], output.faces[name], rtol=1e-6, atol=1e-7)
    for name in ("siu", "siv"):
        np.testing.assert_allclose(restart.nodes[name], output.nodes[name], rtol=0, atol=1e-7)


def test_variables_have_the_values_of_the_file():
    """The values equal those that struct reads: nothing is lost, no vector is turned."""
    snapshot = read_snapshot(BOX / f"field_{FIVE}.bin")
    plain = dict(plain_read(BOX / f"field_{FIVE}"))
    for name, record in {"sic": "Concentration", "sit": "Thickness", "snt": "Snow", "sid": "Damage"}.items():
        np.testing.assert_array_equal(snapshot.faces[name], plain[record])
    for (x, y), record in {("siu", "siv"): "M_VT", ("uas", "vas"): "M_wind"}.items():
        np.testing.assert_array_equal(np.concatenate([snapshot.nodes[x], snapshot.nodes[y]]), plain[record])
    np.testing.assert_allclose(snapshot.faces["tus"], 248.15)
    np.testing.assert_allclose(snapshot.faces["huss"], 0.001 / 1.001, rtol=1e-6)


def test_remapping_keeps_ice_volume_area_and_damage(store, tiny):
    """Integrals over the moving mesh, which numpy computes from the files, equal those over the fixed mesh."""
    for time, name in enumerate((FIVE, SIX)):
        faces, _, nodes = plain_mesh(BOX / f"mesh_{name}")
        plain, areas = dict(plain_read(BOX / f"field_{name}")), triangle_areas(nodes, faces)
        for variable, record in {"sit": "Thickness", "sic": "Concentration", "sid": "Damage", "snt": "Snow"}.items():
            native = plain[record].astype(np.float64) @ areas
            assert store[variable].values[time].astype(np.float64) @ tiny.areas == pytest.approx(native, rel=1e-7)
    for quantity in ("volume", "area", "damage"):
        assert 0 <= store.attrs[f"remap_{quantity}_relative_error_max"] < 1e-7
    assert store.attrs["remap_covered_share"] == pytest.approx(1.0, abs=1e-9)


def test_remapping_keeps_constants_and_the_coast(store, tiny):
    """A constant wind remains constant, and the ice at the coast is at rest."""
    np.testing.assert_allclose(store.uas.values, -14.0, rtol=1e-6)
    np.testing.assert_allclose(store.vas.values, 8.0, rtol=1e-6)
    np.testing.assert_allclose(store.tus.values, 248.15, rtol=1e-6)
    raw = read_nextsim(BOX, tiny)
    held = raw.node_flag.values == 1
    assert held.sum() == 46
    np.testing.assert_allclose(raw.siu.values[:, held], 0.0, atol=1e-9)
    np.testing.assert_allclose(raw.siv.values[:, held], 0.0, atol=1e-9)


def test_the_store_is_what_a_model_takes(store, tiny):
    """The store has exact times, units, and all variables on faces."""
    assert store.time.values.tolist() == np.array(["2000-01-01T05", "2000-01-01T06"], "M8[ns]").tolist()
    assert store.sizes["face"] == tiny.n_faces
    assert {"sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas", "tus", "huss"} < set(store.data_vars)
    assert store.sit.attrs["units"] == "m"


def test_another_remapping_of_the_same_run(shared_data):
    """The other remapping took the mean of 25 points in each triangle, in reduced precision.

    Its file gives its error: up to 2.4e-4 of the ice volume. Its velocities are interpolated in the same way and
    rounded to 11 bits, so they agree to 1/4096 of 0.7 m/s.
    """
    mesh = gg.load_mesh(shared_data / "native" / "cyclone_16km" / "box_16km_b.msh")
    other = xr.open_dataset(shared_data / "cyclone" / "cyclone_16km_04.nc")
    raw = read_nextsim(shared_data / "native" / "cyclone_16km", mesh)
    np.testing.assert_array_equal(raw.time.values, other.time.values)
    volume, area = (raw[name].values.astype(np.float64) @ mesh.areas for name in ("sit", "sic"))
    np.testing.assert_allclose(volume, other.volume_native.values, rtol=5e-9)
    np.testing.assert_allclose(area, other.area_native.values, rtol=5e-9)
    other_error = np.abs(other.volume_remapped.values / other.volume_native.values - 1).max()
    assert other_error > 1e-4
    assert raw.attrs["remap_volume_relative_error_max"] < 5e-9
    for name, rms in {"sit": 0.005, "sic": 0.005, "sid": 0.007, "snt": 0.001}.items():
        difference = raw[name].values - other[name].values
        assert np.sqrt((difference**2).mean()) < rms
        assert abs(difference.mean()) < 0.05 * rms
    for name in ("siu", "siv"):
        np.testing.assert_allclose(raw[name].values, other[name].values, rtol=0, atol=1.8e-4)


def test_without_a_mesh_the_first_output_gives_it(caplog):
    """At the time of the first output nothing is remapped; the log reports the remapping at the others."""
    with caplog.at_level(logging.WARNING):
        store = read_nextsim(BOX, None)
    assert "the mesh moves" in caplog.text
    plain = dict(plain_read(BOX / f"field_{FIVE}"))
    np.testing.assert_array_equal(store.sit.values[0], plain["Thickness"])
    np.testing.assert_array_equal(store.siu.values[0], plain["M_VT"][:299])
    assert np.count_nonzero(store.boundary_flag == 1) == 45
    assert gg.open_store(BOX).sizes["face"] == 536


def test_one_pair_is_a_store_of_one_time(tiny):
    """The path may be any file of the pair, or a folder with a restart."""
    for file in (BOX / f"field_{SIX}.bin", BOX / f"mesh_{SIX}.dat", BOX / "restart"):
        store = gg.open_store(file, mesh=tiny)
        assert store.time.values == np.datetime64("2000-01-01T06")
        np.testing.assert_allclose(store.sit.values, gg.open_store(BOX, mesh=tiny).sit.values[1:], atol=2e-6)


def test_a_mesh_in_another_plane(store, tiny):
    """Winds and drift are turned to the axes of the other plane; the ice remains at its place."""
    crs = "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=20 +datum=WGS84"
    there = gg.open_store(BOX, mesh=in_plane(tiny, gg.mesh.mesh.as_crs(crs)))
    np.testing.assert_allclose(there.sit.values, store.sit.values, atol=2e-3)
    np.testing.assert_allclose(np.hypot(there.uas, there.vas), np.hypot(14.0, 8.0), rtol=1e-6)
    turned = np.degrees(np.arctan2(there.vas, there.uas) - np.arctan2(store.vas, store.uas)) % 360
    np.testing.assert_allclose(turned, 360 - 65, atol=1e-6)  # angle between the x axes of the two planes


def test_young_ice_is_added(run):
    """Thick and young ice of a restart are added, and those of output that has them as two records."""
    restart, young = BOX / "restart" / f"field_{SIX}", {"M_conc_young": 0.125, "M_h_young": 0.25, "M_hs_young": 0.5}
    plain = dict(plain_read(restart))
    shutil.copytree(restart.parent, run / "restart")
    copy = run / "restart" / restart.name
    change(copy, "M_conc", lambda c: 0.5 * c)
    for name, value in young.items():
        change(copy, name, lambda v, value=value: v + value)
    faces = read_snapshot(copy).faces
    np.testing.assert_allclose(faces["sic"], 0.5 * plain["M_conc"] + 0.125)
    np.testing.assert_allclose(faces["sit"], plain["M_thick"] + 0.25)
    np.testing.assert_allclose(faces["snt"], plain["M_snow_thick"] + 0.5)
    change(copy, "M_h_young", None)
    with pytest.raises(InputError, match="M_h_young is missing"):
        read_snapshot(copy)
    for name in ("M_conc_young", "M_hs_young", "M_tsurf_young"):
        change(copy, name, None)
    np.testing.assert_array_equal(read_snapshot(copy).faces["sit"], plain["M_thick"])  # a build without young ice
    change(run / f"field_{FIVE}", "Concentration", lambda c: 0.5 * c, "Concentration_thick_ice")
    assert "sic" not in read_snapshot(run / f"mesh_{FIVE}.bin").faces  # the total is unknown
    both = read_records(run / f"field_{FIVE}")
    write_records(run / f"field_{FIVE}", [*both, Record("Concentration_young_ice", np.full(536, 0.25))])
    plain = dict(plain_read(BOX / f"field_{FIVE}"))
    np.testing.assert_allclose(
        read_snapshot(run / f"mesh_{FIVE}.bin").faces["sic"], 0.5 * plain["Concentration"] + 0.25, rtol=1e-6
    )


def rename(run: Path, old: str, new: str) -> None:
    for file in run.glob(f"*_{old}.*"):
        file.rename(file.with_name(file.name.replace(old, new)))


def test_outputs_by_number_and_word(run):
    """Step numbers are sorted by time, not as text; ``final`` and ``crash`` do not count beside regular output."""
    rename(run, SIX, "10")
    rename(run, FIVE, "9")
    for word in ("final", "crash"):
        for file in list(run.glob("*_10.*")):
            shutil.copy(file, run / file.name.replace("_10", f"_{word}"))
    assert [snapshot.name for snapshot in read_snapshots(run)] == ["9", "10"]
    drop(run, "*_10.*")
    rename(run, "9", "ic")
    assert [snapshot.name for snapshot in read_snapshots(run)] == ["ic", "final"]


def test_pairs_around_remeshings_on_request():
    """They come in the order of time, the pair before a remeshing first."""
    names = [snapshot.name for snapshot in read_snapshots(BOX, remeshings=True)]
    assert names == [FIVE, "pre_regrid_20000101T051320Z", "post_regrid_20000101T051320Z", SIX]


def test_a_remeshing_at_the_time_of_an_output(shared_data):
    """At 21:00 the run wrote its output, the same state before the remeshing, and the state after it."""
    names = [s.name for s in read_snapshots(shared_data / "native" / "cyclone_16km", remeshings=True)]
    assert "20000101T210000Z" in names
    assert "pre_regrid_20000101T210000Z" not in names
    assert "post_regrid_20000101T210000Z" in names
    assert len(names) == 33 + 7 + 6


def drop(run: Path, pattern: str) -> None:
    for file in list(run.glob(pattern)):
        file.unlink()


def element(index: int, value: int) -> Callable[[Path], None]:
    def edit(elements: np.ndarray) -> np.ndarray:
        elements[index] = value
        return elements

    return lambda run: change(run / f"mesh_{SIX}", "Elements", edit)


def values_of(name: str, edit: Callable[[np.ndarray], np.ndarray], file: str = "field") -> Callable[[Path], None]:
    return lambda run: change(run / f"{file}_{SIX}", name, edit)


def put(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def edit(values: np.ndarray) -> np.ndarray:
        values[index] = value
        return values

    return edit


def swap(run: Path) -> None:
    for suffix in (".bin", ".dat"):
        shutil.copy(run / f"mesh_{FIVE}{suffix}", run / f"mesh_{SIX}{suffix}")


def twice(run: Path) -> None:
    records = read_records(run / f"field_{SIX}")
    write_records(run / f"field_{SIX}", [*records, next(r for r in records if r.name == "Thickness")])


BROKEN = {
    "half of a pair": (lambda run: drop(run, f"field_{SIX}.*"), "missing"),
    "the other half": (lambda run: drop(run, f"mesh_{SIX}.*"), "missing"),
    "truncated mesh": (lambda run: (run / f"mesh_{SIX}.bin").write_bytes(b"\0" * 100), "truncated"),
    "only a crash": (lambda run: (drop(run, f"*{SIX}*"), rename(run, FIVE, "crash")), "only crash"),
    "mesh of another time": (swap, "the mesh has"),
    "corner of no node": (element(0, 303), "refer to nodes"),
    "corner 0": (element(5, 0), "refer to nodes"),
    "corner twice": (lambda run: change(run / f"mesh_{SIX}", "Elements", lambda e: put(1, e[0])(e)), "same node"),
    "inverted triangle": (
        lambda run: change(run / f"mesh_{SIX}", "Elements", lambda e: np.r_[e[2], e[1], e[0], e[3:]]),
        "inverted",
    ),
    "triangle twice": (lambda run: change(run / f"mesh_{SIX}", "Elements", lambda e: np.r_[e[3:6], e[3:]]), "overlap"),
    "no whole triangles": (lambda run: change(run / f"mesh_{SIX}", "Elements", lambda e: e[:-1]), "do not fit"),
    "a triangle less": (lambda run: change(run / f"mesh_{SIX}", "Elements", lambda e: e[3:]), "542 values"),
    "an id less": (values_of("id", lambda ids: ids[1:], "mesh"), "do not fit"),
    "an x less": (values_of("Nodes_x", lambda x: x[1:], "mesh"), "do not fit"),
    "no ids": (lambda run: change(run / f"mesh_{SIX}", "id", None), "Elements (int), id (int)"),
    "coordinate NaN": (values_of("Nodes_x", put(7, np.nan), "mesh"), "not finite"),
    "coordinate infinite": (values_of("Nodes_y", put(7, np.inf), "mesh"), "not finite"),
    "two nodes in one place": (
        lambda run: [change(run / f"mesh_{SIX}", f"Nodes_{a}", lambda v: put(100, v[200])(v)) for a in "xy"],
        "same position",
    ),
    "a node pulled away": (values_of("Nodes_x", put(250, 9e4), "mesh"), "inverted"),
    "no time": (lambda run: change(run / f"field_{SIX}", "Time", None), "no record 'Time'"),
    "two times in one": (values_of("Time", lambda t: np.r_[t, t]), "no record 'Time'"),
    "time NaN": (values_of("Time", put(0, np.nan)), "Time is nan"),
    "time far away": (values_of("Time", put(0, 1e12)), "Time is 1e+12"),
    "time of another file": (values_of("Time", put(0, 36524.5)), "not that of the file's name"),
    "date that is none": (lambda run: rename(run, SIX, "20001301T060000Z"), "is no date"),
    "one time twice": (
        lambda run: [shutil.copy(f, f.with_name(f.name.replace(SIX, "6"))) for f in run.glob(f"*{SIX}*")],
        "has the time of",
    ),
    "record twice": (twice, "2 records have the name 'Thickness'"),
    "short field": (values_of("Damage", lambda d: d[1:]), "541 values"),
    "short vector": (values_of("M_VT", lambda v: v[1:]), "twice as many"),
    "gap": (values_of("Thickness", put(3, np.nan)), "missing (NaN) on 1 faces"),
    "gap on a node": (values_of("M_VT", put(3, np.nan)), "missing (NaN) on 1 nodes"),
    "percent": (values_of("Concentration", lambda c: 100 * c), "another unit"),
    "negative volume": (values_of("Thickness", put(3, -1.0)), "another unit"),
    "fields come and go": (lambda run: change(run / f"field_{SIX}", "Snow", None), "differ in snt"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_runs_are_refused(kind, run, tiny):
    """The message names the file and what is wrong with it."""
    damage, message = BROKEN[kind]
    damage(run)
    with pytest.raises(InputError) as error:
        gg.open_store(run, mesh=tiny)
    assert message in str(error.value)
    assert str(run) in str(error.value)


def test_restarts_name_nodes_that_exist(tmp_path):
    """A list of coast nodes that do not exist is refused."""
    shutil.copytree(BOX / "restart", tmp_path / "restart")
    change(tmp_path / "restart" / f"field_{SIX}", "M_dirichlet_flags", put(0, 303))
    with pytest.raises(InputError, match="M_dirichlet_flags names nodes"):
        gg.load_mesh(tmp_path / "restart" / f"mesh_{SIX}.bin")


@pytest.mark.parametrize("name", ["M_UM", "M_dirichlet_flags", "PreviousNumbering"])
def test_a_restart_is_whole(name, tmp_path):
    """Without the displacement the ice of a crash would be at a wrong place."""
    shutil.copytree(BOX / "restart", tmp_path / "restart")
    change(tmp_path / "restart" / f"field_{SIX}", name, None)
    with pytest.raises(InputError, match=f"{name} is missing"):
        gg.open_store(tmp_path / "restart")


def test_a_crash_does_not_say_where_the_ice_is(run):
    """A crash with the displacement can be read."""
    rename(run, SIX, "crash")
    with pytest.raises(InputError, match="M_UM"):
        gg.open_store(run / "field_crash.bin")
    shutil.copytree(BOX / "restart", run / "restart")
    rename(run / "restart", SIX, "crash")
    assert gg.open_store(run / "restart" / "field_crash.bin").sizes["face"] == 542


def test_another_domain_is_refused(tiny):
    """A mesh elsewhere is refused, and a mesh that the run covers only in part."""
    for shift, message in ((1e6, "cover 0.0 %"), (2e4, "cover 81.0 %")):
        elsewhere = gg.Mesh.from_faces(tiny.nodes + shift, tiny.faces, tiny.crs)
        with pytest.raises(InputError, match=message):
            gg.open_store(BOX, mesh=elsewhere)


def test_a_part_of_the_domain(tiny, caplog):
    """A mesh of a part of the domain is accepted with a warning; the integrals are those of that part."""
    part = gg.Mesh.from_faces(tiny.nodes, tiny.faces[tiny.centres[:, 0] > 0], tiny.crs)
    with caplog.at_level(logging.WARNING):
        store = gg.open_store(BOX, mesh=part)
    assert "of the domain of the run" in caplog.text
    assert store.attrs["remap_covered_share"] == pytest.approx(part.areas.sum() / tiny.areas.sum(), rel=1e-6)
    assert store.attrs["remap_volume_relative_error_max"] < 1e-7


def test_what_is_no_run_is_left_to_others(tmp_path):
    """A folder without pairs is not recognised as a run."""
    assert find_format(tmp_path) is None
    (tmp_path / "mesh.bin").touch()
    assert find_format(tmp_path) is None
    assert [file.name for file in find_outputs(BOX)] == [f"mesh_{FIVE}.bin", f"mesh_{SIX}.bin"]


def test_the_example_of_the_guide(tmp_path, monkeypatch):
    """The example runs as the guide prints it."""
    page = (ROOT / "docs" / "reference" / "inputs.md").read_text()
    example = next(block.split("```")[0] for block in page.split("```python\n")[1:] if "open_moving" in block)
    shutil.copytree(BOX, tmp_path / "run")
    shutil.copy(DATA / "tiny.msh", tmp_path / "nextsim.msh")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example, names)
    assert names["velocity"].sizes["node"] > 250
    assert gg.open_store("restart").time.values == names["fixed"].time.values[-1]
