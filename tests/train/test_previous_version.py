"""Files of version 0.1: a model loads and forecasts, and a half-finished run is resumed to the same weights."""

import shutil

import numpy as np
from safetensors.torch import load_file
from support.places import DATA

import gensim_graph as gg

OLD = DATA / "version_0_1"


def test_a_model_of_version_0_1_forecasts():
    model = gg.Surrogate.load(OLD / "model")
    data = gg.open_store(OLD / "run.nc")
    forecast = model.forecast(data.isel(time=0), data, steps=2, members=3, seed=0)
    assert forecast["sit"].sizes == {"member": 3, "lead_time": 3, "face": data.sizes["face"]}
    assert np.isfinite(forecast["sit"]).all()
    assert forecast["sic"].min() >= 0
    assert forecast["sic"].max() <= 1


def test_a_half_finished_run_of_version_0_1_goes_on(tmp_path, monkeypatch, run):
    """Three steps of version 0.1 and three of this one give the weights of six steps of version 0.1."""
    shutil.copytree(OLD / "half_finished", tmp_path / "run")
    shutil.copy(OLD / "run.nc", tmp_path)
    monkeypatch.chdir(tmp_path)
    operator = "operator.width=16 operator.heads=1 operator.blocks=2 operator.cell_width=8 operator.cell_layers=1"
    rest = (
        "operator.embedding=16 trainer.max_steps=6 trainer.save_every=3 data.batch=2 data.lead_time=6h sampler.steps=2"
    )
    code, _, error = run("train", "--data", "run.nc", "--out", "run", *operator.split(), *rest.split())
    assert code == 0, error

    came, expected = load_file("run/weights.safetensors"), load_file(OLD / "model" / "weights.safetensors")
    assert came.keys() == expected.keys()
    for name, weights in expected.items():
        np.testing.assert_allclose(came[name], weights, rtol=0, atol=1e-5, err_msg=name)
