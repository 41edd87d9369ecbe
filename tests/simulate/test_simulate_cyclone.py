"""Simulated data sets: layout, files, reproducibility, meshes of any kind, the command line."""

import json
import re
import sys

import numpy as np
import pytest
import xarray as xr
from support.meshes import jittered_box
from support.solver_meshes import hexagons, opened

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, mesh_to_dataset
from gensim_graph.simulate import Experiment, build_ensemble, seconds_needed, simulate_cyclone, write_cyclone
from gensim_graph.simulate.member_batches import split_members
from gensim_graph.train import plan_simulation, train
from gensim_graph.variables import default_variables

BOX = jittered_box(8, side=512e3)
WIDE = jittered_box(4, side=1024e3)  # few large cells, so the time steps are long
SHORT = {"days": 0.25, "progress": False}
STATE = ("sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas")


@pytest.fixture(scope="module")
def storms() -> xr.Dataset:
    return simulate_cyclone(BOX, members=3, seed=5, **SHORT)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "storms.zarr"
    return write_cyclone(build_ensemble(BOX, Experiment(members=3, seed=5, days=0.25)), path, progress=False)


def test_dataset_has_the_layout_of_a_store(storms):
    assert dict(storms["sit"].sizes) == {"trajectory": 3, "time": 3, "face": BOX.n_faces}
    assert storms["siu_node"].dims == ("trajectory", "time", "node")
    assert storms["time"].values[1] - storms["time"].values[0] == np.timedelta64(3, "h")
    assert mesh_from_dataset(storms).matches(BOX)
    table = default_variables()
    for name in STATE:
        values = storms[name]
        assert values.dtype == np.float32
        assert values.attrs["units"] == table[name].units
        assert values.attrs["standard_name"] == table[name].standard_name
        assert float(values.min()) >= table[name].lower
        assert float(values.max()) <= table[name].upper
        assert np.isfinite(values).all()


def test_ice_starts_intact_and_at_rest_and_then_drifts(storms):
    first, last = storms.isel(time=0), storms.isel(time=-1)
    for name in ("sid", "siu", "siv"):
        assert not first[name].any()
    assert float(np.hypot(last["siu"], last["siv"]).max()) > 0.05
    assert float(last["sid"].max()) > 0.5


def test_drift_on_faces_is_the_mean_of_their_nodes(storms):
    corners = storms["siu_node"].values[..., BOX.faces]
    np.testing.assert_allclose(storms["siu"], corners.mean(axis=-1), atol=1e-7)


def test_wind_is_that_of_the_recorded_storms(storms):
    """The formula with the parameters from the attributes of the dataset."""
    x, y = BOX.centres.T
    time = 6 * 3600.0
    for member, forcing in enumerate(json.loads(storms.attrs["forcing"])):
        (storm,), background = forcing["storms"], forcing["background"]
        off_x, off_y = x - storm["x"] - storm["east"] * time, y - storm["y"] - storm["north"] * time
        distance, angle = np.hypot(off_x, off_y), np.radians(storm["angle"])
        strength = storm["wind"] / storm["radius"] * np.exp(1 - distance / storm["radius"])
        u = background[0] - strength * (np.cos(angle) * off_x + np.sin(angle) * off_y)
        v = background[1] - strength * (-np.sin(angle) * off_x + np.cos(angle) * off_y)
        cap = 25.0 / np.maximum(25.0, np.hypot(u, v))
        np.testing.assert_allclose(storms["uas"][member, 2], u * cap, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(storms["vas"][member, 2], v * cap, rtol=1e-4, atol=1e-4)


def test_volume_is_conserved_in_the_records(storms):
    volume = (storms["sit"].astype(np.float64) * BOX.areas).sum("face")
    np.testing.assert_allclose(volume, volume.isel(time=[0] * 3), rtol=1e-6)  # rounding of float32


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(storms):
    again = simulate_cyclone(BOX, members=3, seed=5, **SHORT)
    other = simulate_cyclone(BOX, members=1, seed=6, **SHORT)
    for name in STATE:
        np.testing.assert_array_equal(again[name], storms[name])
    assert float(np.abs(other["sit"] - storms["sit"][:1]).max()) > 0.01


def test_a_member_does_not_depend_on_how_many_there_are(storms):
    fewer = simulate_cyclone(BOX, members=2, seed=5, **SHORT)
    for name in STATE:
        np.testing.assert_array_equal(fewer[name], storms[name][:2])


def test_store_holds_the_same_and_opens_like_any_other(storms, store):
    raw = xr.open_zarr(store)
    for name in (*STATE, "siu_node", "siv_node", "uo", "vo"):
        np.testing.assert_array_equal(raw[name], storms[name])
    opened_store = gg.open_store(store)
    assert opened_store["sit"].dims == ("trajectory", "time", "face")
    np.testing.assert_array_equal(opened_store["time"], storms["time"])
    np.testing.assert_allclose(opened_store["siu"], storms["siu"], atol=1e-7)


def test_a_store_is_replaced_but_nothing_else(store, tmp_path):
    experiment = Experiment(members=1, days=0.125)
    ours, theirs = tmp_path / "ours.zarr", tmp_path / "theirs.zarr"
    for _ in range(2):
        write_cyclone(build_ensemble(BOX, experiment), ours, progress=False)
    mesh_to_dataset(BOX).to_zarr(theirs)
    with pytest.raises(InputError, match=r"theirs.zarr: exists and is not a simulation"):
        write_cyclone(build_ensemble(BOX, experiment), theirs, progress=False)
    with pytest.raises(InputError, match=r"there is no folder"):
        write_cyclone(build_ensemble(BOX, experiment), tmp_path / "no" / "x.zarr", progress=False)
    with pytest.raises(InputError, match=r"ends in .zarr"):
        write_cyclone(build_ensemble(BOX, experiment), tmp_path / "x.nc", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.zarr", "theirs.zarr"]


def test_a_simulation_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("gensim_graph.simulate.solver.solver.transport", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        write_cyclone(build_ensemble(BOX, Experiment(members=2)), tmp_path / "x.zarr", progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["squares", "hexagons", "open", "small", "south"])
def test_any_mesh_can_be_simulated(kind):
    axis = np.arange(12) * 40e3
    mesh = {
        "squares": lambda: gg.Mesh.from_grid(axis, axis),
        "hexagons": lambda: hexagons(8, 8, 30e3),
        "open": lambda: opened(BOX),
        "small": lambda: jittered_box(6, side=60e3),
        "south": lambda: gg.Mesh.from_faces(BOX.nodes + 5e5, BOX.faces, crs="EPSG:3031"),
    }[kind]()
    days = 0.125 if kind == "small" else 0.25
    data = simulate_cyclone(mesh, members=1, days=days, physics="nextsim", progress=False)
    last = data.isel(trajectory=0, time=-1)
    assert data.sizes["face"] == mesh.n_faces
    assert data.sizes["node"] == mesh.n_nodes
    assert all(np.isfinite(data[name]).all() for name in STATE)
    assert float(np.hypot(last["siu"], last["siv"]).max()) > 1e-3
    if kind == "open":
        rim = np.unique(mesh.boundary_edges)
        assert float(np.abs(last["siu_node"][rim]).max()) > 1e-3


def test_benchmark_case_is_the_same_for_all_members():
    data = simulate_cyclone(BOX, members=2, case="benchmark", **SHORT)
    for name in STATE:
        np.testing.assert_array_equal(data[name][0], data[name][1])


def test_single_precision_is_close_for_a_while():
    """The drift after one hour, because cracks amplify rounding later; the volume over the whole run."""
    double, single = (
        simulate_cyclone(WIDE, members=1, days=0.25, every="1h", precision=name, progress=False)
        for name in ("float64", "float32")
    )
    np.testing.assert_allclose(single["siu_node"][0, 1], double["siu_node"][0, 1], atol=2e-3)
    volume = (single["sit"].astype(np.float64) * WIDE.areas).sum("face").values
    np.testing.assert_allclose(volume, volume[0, 0], rtol=1e-5)


def test_thermodynamics_can_be_switched_on():
    data = simulate_cyclone(BOX, members=1, days=1, every="12h", thermodynamics=True, progress=False)
    volume = (data["sit"].astype(np.float64) * BOX.areas).sum("face").values[0]
    assert volume[2] > volume[1] > volume[0]
    assert data["tus"].attrs["units"] == "K"
    assert 235.0 < float(data["tus"].mean()) < 245.0  # January


def test_members_are_spread_over_cores():
    ensemble = build_ensemble(BOX, Experiment(members=7))
    assert [len(batch) for batch in split_members(ensemble, 2)] == [4, 3]
    assert [len(batch) for batch in split_members(ensemble, 1)] == [7]
    assert [member for batch in split_members(ensemble, 3) for member in batch] == list(range(7))
    assert seconds_needed(ensemble) > 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"members": 0}, "simulate.members: expected a number of 1 or more"),
        ({"days": 0.3}, "simulate.days: expected a number of days that is a multiple"),
        ({"days": float("nan")}, "simulate.days: expected"),
        ({"every": "soon"}, "simulate.every: expected a time such as 3h"),
        ({"case": "mine"}, "simulate.case: expected random or benchmark; came 'mine'"),
        ({"physics": "magic"}, "simulate.physics: expected benchmark or nextsim"),
        ({"seed": -1}, "simulate.seed: expected"),
    ],
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        simulate_cyclone(BOX, **wrong)


@pytest.fixture
def mesh_file(tmp_path):
    path = tmp_path / "box.nc"
    mesh_to_dataset(WIDE).to_netcdf(path)
    return path


def test_command_writes_a_store(run, mesh_file, tmp_path):
    out = tmp_path / "storms.zarr"
    code, text, _ = run("simulate", "--mesh", mesh_file, "--out", out, "--members", 2, "--days", 0.25)
    assert code == 0
    assert "2 trajectories of 0.25 days" in text
    assert gg.open_store(out).sizes["trajectory"] == 2


def test_command_explains_itself(run):
    code, text, _ = run("simulate", "--help")
    assert code == 0
    assert "gensim-graph simulate --mesh nextsim.msh" in " ".join(text.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--members", "0"], "simulate.members"),
        (["--every", "5 apples"], "simulate.every"),
        (["--days", "-1"], "simulate.days"),
        (["--physics", "none"], "simulate.physics"),
    ],
)
def test_command_refuses_wrong_input(run, mesh_file, tmp_path, arguments, message):
    code, _, error = run("simulate", "--mesh", mesh_file, "--out", tmp_path / "x.zarr", *arguments)
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    code, _, error = run("simulate", "--mesh", tmp_path / "no.msh", "--out", tmp_path / "x.zarr")
    assert code == 2
    assert not (tmp_path / "x.zarr").exists()


SMALL = [
    *("operator.width=16", "operator.heads=1", "operator.blocks=2", "operator.cell_width=8", "operator.embedding=8"),
    *("data.batch=2", "data.levels=[1.0]", "sampler.steps=2", "trainer.accelerator=cpu", "data.lead_time=6h"),
]


@pytest.fixture
def brief(monkeypatch):
    """Simulate two members only, to save time."""
    monkeypatch.setattr(sys.modules["gensim_graph.train.simulated_data"], "MEMBERS", 2)


def test_training_without_data_simulates_once(run, brief, mesh_file, tmp_path, caplog):
    out = tmp_path / "run"
    command = ("train", "--mesh", mesh_file, "--out", out, "trainer.max_steps=2", *SMALL)
    code, _, _ = run(*command, "--dry-run")
    assert code == 0
    assert re.search(
        r"simulating 2 times 4 days of ice under storms, which takes about \d+ (seconds|minutes)", caplog.text
    )
    assert not out.exists()
    caplog.clear()
    code, _, _ = run(*command)
    assert code == 0
    assert "simulating 2 times 4 days" in caplog.text
    written = (out / "simulated.zarr" / "zarr.json").stat().st_mtime_ns
    assert (out / "surrogate.json").exists()
    caplog.clear()
    code, _, _ = run(*command)
    assert code == 0
    assert "simulating" not in caplog.text
    assert (out / "simulated.zarr" / "zarr.json").stat().st_mtime_ns == written
    code, _, error = run(*command, "trainer.seed=1")
    assert code == 2
    assert "with another seed" in " ".join(error.split())


def test_training_uses_a_folder_that_holds_only_the_simulation(brief, tmp_path):
    folder = tmp_path / "run"
    plan = plan_simulation(WIDE, folder, 0)
    plan.write(progress=False)
    model = train(WIDE, max_steps=1, out=folder, overrides=SMALL, progress=False)
    assert "pairs on 32 faces" in model.information["trained_on"]


def test_built_in_meshes_use_their_genuine_data(cyclone_meshes, tmp_path):
    for path in cyclone_meshes.glob("*.msh"):
        assert plan_simulation(gg.load_mesh(path), tmp_path, 0) is None
    assert plan_simulation(None, tmp_path, 0) is None
    assert plan_simulation(BOX, tmp_path, 0) is not None
