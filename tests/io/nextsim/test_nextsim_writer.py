"""Restarts and output written for neXtSIM: they have the layout of genuine files and the values of the state."""

import logging

import numpy as np
import pytest
import xarray as xr
from support.meshes import jittered_box
from support.places import NEXTSIM
from support.plain_nextsim import plain_mesh, plain_read

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import open_moving, write_output, write_restart
from gensim_graph.io.nextsim.nextsim_snapshot import read_snapshot

DATA = NEXTSIM
SIX = "20000101T060000Z"
GENUINE = DATA / "box" / "restart" / f"field_{SIX}"


@pytest.fixture(scope="module")
def tiny() -> gg.Mesh:
    """A mesh with a coast and an open side."""
    return gg.load_mesh(DATA / "tiny.msh")


@pytest.fixture
def state(tiny) -> xr.Dataset:
    """A smooth state with some open water, in double precision."""
    x, y = (tiny.centres - tiny.centres.mean(axis=0)).T / 1e5
    area = np.clip(0.9 + 0.3 * x, 0, 1) * (y < 0.8)
    fields = {"sic": area, "sit": 1.5 * area, "snt": 0.1 * area, "sid": 0.5 + 0.4 * y}
    data = {name: ("face", np.where(area > 0, values, 0.0)) for name, values in fields.items()}
    u, v = 0.1 * np.sin(tiny.nodes.T / 5e4)
    data |= {"siu": ("node", u), "siv": ("node", v), "tus": ("face", np.full(tiny.n_faces, 253.15))}
    return xr.Dataset(data, coords={"time": np.datetime64("2007-02-03T04:05:06", "ns")})


def test_a_restart_is_laid_out_as_a_genuine_one(state, tiny, tmp_path):
    """The file has the same records and types in the same order; lengths follow from triangles and nodes."""
    write_restart(tmp_path, "start", state, tiny)
    counts = {542: tiny.n_faces, 302: tiny.n_nodes, 604: 2 * tiny.n_nodes}
    written, genuine = plain_read(tmp_path / "field_start"), plain_read(GENUINE)
    assert [name for name, _ in written] == [name for name, _ in genuine]
    for (name, ours), (_, theirs) in zip(written, genuine, strict=True):
        assert ours.dtype == theirs.dtype
        assert len(ours) == (46 if name == "M_dirichlet_flags" else counts.get(len(theirs), len(theirs)))
    assert [name for name, _ in plain_read(tmp_path / "mesh_start")] == ["Elements", "id", "Nodes_x", "Nodes_y"]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{kind}_start.{suffix}" for kind in ("mesh", "field") for suffix in ("bin", "dat")
    }


def test_a_restart_says_what_it_was_given(state, tiny, tmp_path):
    """Read by struct: the mesh, the state as thick ice, the drift with the coast at rest, the date."""
    write_restart(tmp_path, "start", state, tiny)
    faces, ids, nodes = plain_mesh(tmp_path / "mesh_start")
    np.testing.assert_array_equal(faces, tiny.faces)
    np.testing.assert_array_equal(nodes, tiny.nodes)
    plain = dict(plain_read(tmp_path / "field_start"))
    for record, name in {"M_conc": "sic", "M_thick": "sit", "M_snow_thick": "snt", "M_damage": "sid"}.items():
        np.testing.assert_array_equal(plain[record], state[name].values)
    held = plain["M_dirichlet_flags"] - 1
    np.testing.assert_array_equal(np.sort(held), np.unique(tiny.boundaries["coast"]))
    moves = np.setdiff1d(np.arange(tiny.n_nodes), held)
    velocity = plain["M_VT"].reshape(2, -1)
    assert not velocity[:, held].any()
    np.testing.assert_array_equal(velocity[:, moves], np.stack([state.siu, state.siv])[:, moves])
    days = (np.datetime64("2007-02-03T04:05:06") - np.datetime64("1900-01-01T00:00:00")) / np.timedelta64(1, "D")
    assert plain["Time"] == days
    assert plain["Misc_int"].tolist() == [0, 1, 0, 0]
    rim = np.unique(tiny.boundary_edges)
    np.testing.assert_array_equal(np.sort(ids[rim]), np.arange(1, 61))
    assert len(np.unique(ids)) == tiny.n_nodes
    np.testing.assert_array_equal(np.flatnonzero(plain["PreviousNumbering"] == 0), rim)


def test_what_the_state_does_not_say(state, tiny, tmp_path):
    """The ice gets a linear temperature between air and freezing water, no stress and no displacement."""
    write_restart(tmp_path, "start", state, tiny, seed=3)
    plain = dict(plain_read(tmp_path / "field_start"))
    for record, value in {
        "M_tice_0": -20,
        "M_tice_1": -15.45,
        "M_tice_2": -6.35,
        "M_sst": -1.8,
        "M_sss": 32.7273,
    }.items():
        np.testing.assert_allclose(plain[record], value)
    assert not any(plain[name].any() for name in ("M_sigma_0", "M_UM", "M_UT", "M_conc_young", "M_ridge_ratio"))
    cohesion = plain["M_random_number"]
    assert 0 <= cohesion.min() < 0.05
    assert 0.95 < cohesion.max() <= 1
    write_restart(tmp_path, "again", state, tiny, fields={"M_sst": np.full(tiny.n_faces, -1.0)}, seed=3)
    again = dict(plain_read(tmp_path / "field_again"))
    np.testing.assert_array_equal(again["M_random_number"], cohesion)
    np.testing.assert_allclose(again["M_tice_2"], -5.75)


def test_temperatures_of_a_run_that_starts(shared_data):
    """The model gives new ice the same profile: at the surface and in the middle of two layers."""
    plain = dict(plain_read(shared_data / "native" / "cyclone_16km" / "restart" / "field_ic"))
    np.testing.assert_allclose(plain["M_tice_1"], 0.75 * plain["M_tice_0"] + 0.25 * plain["M_sst"])
    np.testing.assert_allclose(plain["M_tice_2"], 0.25 * plain["M_tice_0"] + 0.75 * plain["M_sst"])


def test_a_genuine_restart_rewritten_field_by_field(tmp_path):
    """Mesh, ids, coast and every record on triangles of a genuine restart are unchanged in the copy."""
    snapshot = read_snapshot(GENUINE)
    mesh = snapshot.mesh.to_mesh(snapshot.on_coast)
    plain = dict(plain_read(GENUINE))
    data = {name: ("face", values) for name, values in snapshot.faces.items()}
    data |= {name: ("node", values) for name, values in snapshot.nodes.items()}
    state = xr.Dataset(data, coords={"time": snapshot.time})
    triangles = {name: values for name, values in plain.items() if len(values) == 542}
    write_restart(tmp_path, "copy", state, mesh, fields=triangles, ids=snapshot.mesh.ids)
    copy = dict(plain_read(tmp_path / "field_copy"))
    for name in (*triangles, "M_dirichlet_flags", "Time", "M_VT"):
        np.testing.assert_array_equal(copy[name], plain[name], err_msg=name)
    for ours, theirs in zip(
        plain_mesh(tmp_path / "mesh_copy")[:2], plain_mesh(GENUINE.with_name(f"mesh_{SIX}"))[:2], strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.flatnonzero(copy["PreviousNumbering"] == 0), np.unique(mesh.boundary_edges))


def test_a_forecast_becomes_a_restart(tiny, tmp_path):
    """A forecast has faces only, float and valid_time; its velocities are averaged to the nodes by area."""
    store = gg.open_store(DATA / "box", mesh=tiny).isel(time=1)
    forecast = store.drop_vars("time").assign_coords(valid_time=store.time.values)
    write_restart(tmp_path, "start", forecast, tiny)
    back = gg.open_store(tmp_path, mesh=tiny)
    assert back.time.values == np.datetime64("2000-01-01T06")
    np.testing.assert_allclose(back.sit.values[0], store.sit.values, rtol=1e-6)
    u = tiny.to_nodes(store.siu.values.astype(np.float64))
    u[np.unique(tiny.boundaries["coast"])] = 0
    np.testing.assert_allclose(back.siu.values[0], tiny.to_faces(u), rtol=0, atol=1e-7)


def test_output_in_float_with_the_extremes_of_doubles(state, tiny, tmp_path):
    """The file has the records that the model would write, and opens like one of its own."""
    write_output(tmp_path, "20070203T040506Z", state, tiny)
    plain = plain_read(tmp_path / "field_20070203T040506Z")
    assert [name for name, _ in plain] == ["Time", "M_VT", "Damage", "Concentration", "Thickness", "Snow"]
    assert [values.dtype for _, values in plain] == [np.float64] + [np.float32] * 5
    lines = (tmp_path / "field_20070203T040506Z.dat").read_text().splitlines()
    drift = np.r_[state.siu.values, state.siv.values]
    assert lines[1] == f"M_VT float {2 * tiny.n_nodes} {drift.min():g} {drift.max():g}"
    (ds,) = open_moving(tmp_path)
    np.testing.assert_array_equal(ds.sit.values[0], state.sit.values.astype(np.float32))
    np.testing.assert_array_equal(ds.siv.values[0], state.siv.values.astype(np.float32))


def test_ice_without_volume_or_area_is_none(state, tiny, tmp_path, caplog):
    """Area without volume, or the reverse, becomes open water, because the model would divide by it."""
    state["sic"][0], state["sit"][0] = 0.0, 1.0
    state["sic"][1], state["sit"][1] = 0.5, 0.0
    with caplog.at_level(logging.WARNING):
        write_restart(tmp_path, "start", state, tiny)
    assert "2 triangles" in caplog.text
    plain = dict(plain_read(tmp_path / "field_start"))
    for record in ("M_conc", "M_thick", "M_snow_thick", "M_damage"):
        assert not plain[record][:2].any()
    assert plain["M_damage"].max() <= 1 - 1e-10


WRONG = {
    "no volume": (lambda s: {"state": s.drop_vars("sit")}, "lacks sit"),
    "no date": (lambda s: {"state": s.drop_vars("time")}, "one time"),
    "several times": (lambda s: {"state": s.expand_dims("time")}, "one time"),
    "another mesh": (lambda s: {"mesh": jittered_box()}, "finite numbers"),
    "a gap": (lambda s: {"state": s.assign(sit=s.sit.where(s.sit < 1))}, "finite numbers"),
    "half of a vector": (lambda s: {"state": s.drop_vars("siv")}, "other component"),
    "squares": (lambda s: {"mesh": gg.Mesh.from_grid(np.arange(4.0) * 1e4, np.arange(4.0) * 1e4)}, "triangles only"),
    "another plane": (
        lambda s: {"mesh": gg.Mesh.from_faces(jittered_box().nodes, jittered_box().faces, 3413)},
        "own plane",
    ),
    "unknown field": (lambda s: {"fields": {"M_thickness": np.zeros(544)}}, "M_thickness"),
    "short field": (lambda s: {"fields": {"M_sst": np.zeros(3)}}, "544 finite numbers"),
    "ids twice": (lambda s: {"ids": np.ones(303, dtype=int)}, "different numbers"),
    "ids of others": (lambda s: {"ids": np.arange(1, 10)}, "different numbers"),
    "folder in the name": (lambda s: {"name": "a/b"}, "cannot be the name"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_written(kind, state, tiny, tmp_path):
    """The error comes before any file is written."""
    change, message = WRONG[kind]
    given = {"folder": tmp_path / "out", "name": "start", "state": state, "mesh": tiny} | change(state)
    with pytest.raises(InputError) as error:
        write_restart(**given)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_mesh_without_coast(state, tiny, tmp_path):
    """A mesh without coast cannot start a run, but its output can be written."""
    free = gg.Mesh.from_faces(tiny.nodes, tiny.faces, tiny.crs, {"open": tiny.boundary_edges})
    with pytest.raises(InputError, match="no coast"):
        write_restart(tmp_path, "start", state, free)
    write_output(tmp_path, "start", state, free)
    assert gg.load_mesh(tmp_path / "mesh_start.bin").n_faces == tiny.n_faces
