"""Studies: plans that are read or refused, averages over trajectories, a table that goes on where it stopped."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from support.examples import small_trajectory

from gensim_graph.benchmark.resolutions import (
    DataSet,
    Protocol,
    StudyOptions,
    StudyPlan,
    TrainingBudget,
    grid_over,
    read_plan,
    run_resolutions,
    score,
)
from gensim_graph.benchmark.resolutions.box_meshes import MESHES
from gensim_graph.benchmark.resolutions.price import price_table
from gensim_graph.benchmark.resolutions.scoring import average, starts_of
from gensim_graph.errors import InputError
from gensim_graph.evaluate import persistence
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.mesh import quality_report

HOUR = np.timedelta64(1, "h")


# Plans


@pytest.mark.parametrize("name", ["resolutions", "quick"])
def test_plans_that_ship_are_read(name):
    plan = read_plan(name)
    assert set(plan.tests) <= set(plan.sets)
    for data_set in plan.sets.values():
        assert not set(data_set.train) & set(data_set.test) or data_set.until is not None


def test_nothing_is_both_trained_on_and_tested(shared_data):
    """File by file, or, for one long run, hour by hour."""
    for data_set in read_plan("resolutions").sets.values():
        if data_set.simulate or not data_set.train or not data_set.test:
            continue
        files = [set(data_set._files(part, shared_data)) for part in ("train", "test")]
        assert not files[0] & files[1] or (data_set.until is not None and data_set.until <= data_set.since)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sets: {a: {train: [x.nc], tset: [y.nc]}}\ntrainings: {one: [a]}\ntests: [a]", "unknown tset"),
        ("sets: {a: {simulate: {resolution: 4}}}\ntrainings: {}\ntests: [a]", "unknown resolution"),
        ("sets: {a: {train: [x.nc]}}\ntrainings: {one: [b]}\ntests: [a]", "does not have: b"),
        ("sets: {a: {train: [x.nc]}}\ntests: [a]", "needs sets, trainings and tests"),
        ("sets: {a: {train: [x.nc]}}\ntrainings: {one: [a]}\ntests: [a]\ncompared: [two]", "does not have: two"),
        ("- a list", "is no plan"),
    ],
)
def test_plans_that_are_refused(text, message, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_plan(path)


def test_files_that_are_not_there(tmp_path):
    data_set = DataSet("mine", train=("runs/*.nc",))
    with pytest.raises(InputError, match="no --data was given"):
        data_set.sources("train", None, tmp_path)
    with pytest.raises(InputError, match="not in"):
        data_set.sources("train", tmp_path, tmp_path)


def test_training_ends_where_it_should(tmp_path, small_mesh):
    small_trajectory(small_mesh, hours=24).to_netcdf(tmp_path / "long.nc")
    data_set = DataSet("long", ("long.nc",), ("long.nc",), until=12.0, since=12.0)
    (train,) = data_set.sources("train", tmp_path, tmp_path)
    (test,) = data_set.sources("test", tmp_path, tmp_path)
    assert train["time"].values[-1] - train["time"].values[0] == 12 * HOUR
    assert test["time"].values[-1] - test["time"].values[0] == 24 * HOUR


def test_trajectories_on_a_grid_keep_their_volume(tmp_path):
    triangles = MESHES["triangles"](8e3, 64e3)
    small_trajectory(triangles, hours=12).to_netcdf(tmp_path / "run.nc")
    whole, part = (
        DataSet("squares", test=("run.nc",), grid=spacing).sources("test", tmp_path, tmp_path)[0]
        for spacing in (16.0, 10.0)
    )
    before = open_store(tmp_path / "run.nc")
    grid = mesh_from_dataset(whole)
    np.testing.assert_allclose(grid.areas, 16e3**2)
    np.testing.assert_allclose(whole["sit"].values @ grid.areas, before["sit"].values @ triangles.areas, rtol=1e-5)
    inner = mesh_from_dataset(part)
    assert inner.n_faces == 36
    np.testing.assert_allclose((inner.nodes.min(axis=0), inner.nodes.max(axis=0)), ((2e3, 2e3), (62e3, 62e3)))


@pytest.mark.parametrize("spacing", [-3e3, 0.0, 33e3])
def test_grids_that_do_not_fit_are_refused(spacing):
    with pytest.raises(InputError, match="at most 32, half the box"):
        grid_over(MESHES["triangles"](8e3, 64e3), spacing)


@pytest.mark.parametrize("kind", MESHES)
def test_meshes_of_a_box(kind):
    mesh = MESHES[kind](8e3, 256e3)
    report = quality_report(mesh)
    assert mesh.areas.sum() == pytest.approx(256e3**2)
    assert report.smallest_angle > 10
    assert np.mean(mesh.spacing) == pytest.approx(8e3 / np.sqrt(2), rel=0.1)
    ratio = report.spacing_km[2] / report.spacing_km[0]
    assert ratio > 3 if kind == "graded" else ratio < 2.5


# Scores


def test_squares_are_averaged_before_the_root():
    rows = [
        {"variable": "sit", "lead_hours": 12.0, "rmse": 3.0, "spread": 1.0, "bias": 1.0, "starts": 3},
        {"variable": "sit", "lead_hours": 12.0, "rmse": 5.0, "spread": 2.0, "bias": -1.0, "starts": 1},
    ]
    table = average(pd.DataFrame(rows).assign(mae=0.0, crps=0.0, out_of_bounds=0.0))
    (row,) = table.to_dict("records")
    assert row["rmse"] == pytest.approx(math.sqrt((3 * 9 + 25) / 4))
    assert row["spread"] == pytest.approx(math.sqrt((3 + 4) / 4))
    assert row["bias"] == pytest.approx(0.5)
    assert row["starts"] == 4


def test_starts_follow_each_other_and_end_within_the_record(small_mesh):
    truth = open_store(small_trajectory(small_mesh, hours=60))
    first = truth["time"].values[0]
    initial, steps = starts_of(truth, 12.0, Protocol(steps=2, starts=5))
    assert steps == 2
    np.testing.assert_array_equal(initial["time"].values, first + np.array([12, 24, 36]) * HOUR)
    assert starts_of(truth, 36.0, Protocol(steps=8))[1] == 2
    with pytest.raises(InputError, match="ends before a forecast from 55 h"):
        starts_of(truth, 55.0, Protocol())


def test_persistence_scores_the_change_of_the_truth(small_mesh):
    truth = open_store(small_trajectory(small_mesh, hours=36))
    leads = np.arange(1, 2) * np.timedelta64(12, "h")
    found = score(lambda initial, *_: persistence(initial, leads), [truth], 12.0, Protocol(steps=1, starts=1))
    row = next(row for row in found["scores"] if row["variable"] == "sit")
    times = truth["time"].values[0] + np.array([12, 24]) * HOUR
    change = np.diff(truth["sit"].sel(time=times).values, axis=0)[0]
    assert row["rmse"] == pytest.approx(math.sqrt(np.average(change**2, weights=small_mesh.areas)), rel=1e-5)
    assert math.isnan(row["spread"])


def test_networks_beside_the_flow_are_trained_where_the_plan_says(tmp_path):
    plan = StudyPlan({}, {"one": (), "two": ()}, (), compared=("two",))
    options = StudyOptions(plan, tmp_path)
    assert options.budget_of("one") == TrainingBudget(baselines=())
    assert options.budget_of("two") == TrainingBudget()
    assert StudyOptions(replace(plan, compared=None), tmp_path).budget_of("one") == TrainingBudget()


def test_studies_share_their_simulations(tmp_path):
    storms = {"storms": DataSet("storms", simulate={"spacing": 64, "members": 1, "days": 0.5})}
    for out in ("first", "second"):
        options = StudyOptions(StudyPlan(storms, {}, ()), tmp_path / out, simulations=tmp_path / "data")
        assert options.sources("storms", "test")[0].sizes["face"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_price_is_the_error_over_that_of_the_specialist():
    def row(contender: str, training: str, rmse: float) -> dict:
        scores = [{"variable": "sit", "lead_hours": lead, "rmse": rmse * lead} for lead in (24.0, 12.0)]
        return {"contender": contender, "training": training, "test": "fine", "scores": scores}

    rows = [row("flow", "coarse", 3), row("flow", "fine", 2), row("flow", "all", 1), row("twin", "coarse", 9)]
    trainings = {"coarse": ("coarse",), "fine": ("fine",), "all": ("coarse", "fine")}
    table = price_table([*rows, row("persistence", "coarse", 5)], trainings)
    assert [line for line in table.splitlines() if "| flow |" in line] == [
        "| fine | flow | coarse | 1.50 |",
        "| fine | flow | all | 0.50 |",
    ]
    assert "twin" not in table
    assert "persistence" not in table
    assert price_table(rows, {"coarse": ("coarse",)}) == ""


# The whole


@pytest.mark.slow
def test_a_study_is_written_and_goes_on(tmp_path):
    torch.manual_seed(0)
    plan = read_plan("quick")
    plan = type(plan)(plan.sets, plan.trainings, ("triangles_16km", "missing"))
    plan.sets["missing"] = DataSet("missing", test=("nothing.nc",))
    options = StudyOptions(plan, tmp_path, budget=TrainingBudget(steps=2), protocol=Protocol(2, 1, 1))
    table = run_resolutions(options)
    report = json.loads((tmp_path / "resolutions.json").read_text())
    assert {row["contender"] for row in report["rows"]} == {"flow", "twin", "MeshGraphNet", "linear", "persistence"}
    assert "missing" in report["left_out"][0]
    assert "triangles_16km" in table.read_text()
    assert (tmp_path / "resolutions.png").stat().st_size > 10_000
    stamps = {
        file: file.stat().st_mtime_ns for folder in ("scores", "models") for file in (tmp_path / folder).rglob("*.json")
    }
    run_resolutions(options)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())


def test_nothing_to_do(tmp_path):
    plan = type(read_plan("quick"))({"none": DataSet("none", ("a.nc",), ("b.nc",))}, {"one": ("none",)}, ("none",))
    with pytest.raises(InputError, match="nothing to train on"):
        run_resolutions(StudyOptions(plan, tmp_path))
