"""An analysis of a genuine storm: observations of 5 % of the cells, drawn from the truth with noise."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import gensim_graph as gg
from gensim_graph.assimilate import LETKF, ObservationOperator, innovation_statistics
from gensim_graph.evaluate.verify import fair_crps

ERRORS = {"siu": 0.01, "siv": 0.01, "sic": 0.02}


@pytest.mark.slow
def test_analysis_of_an_unseen_storm(shared_data: Path):
    """The analysis is better than the free ensemble where it was observed and where not, and nothing gets worse."""
    data = gg.open_store(shared_data / "cyclone" / "cyclone_16km_13.nc")
    model = gg.Surrogate.load("small")
    forecast = model.forecast(data.isel(time=8), data, steps=2, members=16, progress=False).isel(lead_time=2)
    names = [variable.name for variable in model.normaliser.table.state]
    states = torch.from_numpy(np.stack([forecast[name].values for name in names], axis=-1))
    now = data.sel(time=forecast["valid_time"].values)
    truth = np.stack([now[name].values.squeeze() for name in names], axis=-1)
    mesh = gg.io.mesh_from_dataset(data)

    generator = np.random.default_rng(0)
    cells = generator.choice(mesh.n_faces, round(0.05 * mesh.n_faces), replace=False)
    x, y = mesh.centres[cells].T
    parts = [
        pd.DataFrame({
            "variable": name, "x": x, "y": y, "error": error, "time": forecast["valid_time"].values,
            "value": truth[cells, names.index(name)] + error * generator.normal(size=len(cells)),
        })
        for name, error in ERRORS.items()
    ]  # fmt: skip
    table = model.normaliser.table
    operator = ObservationOperator.of(mesh, gg.Observations.from_table(pd.concat(parts)), table)
    groups = (("sit", "sic", "snt"), ("siu", "siv"))
    filtered = LETKF(radius={"sic": 20e3, "siu": 50e3, "siv": 50e3}, groups=groups)
    analysis = filtered.analysis(states, operator, mesh, table)

    deviations = [one.double().numpy() - truth for one in (states, analysis)]
    free, after = ([mesh.areas @ fair_crps(one[..., channel]) for channel in range(6)] for one in deviations)
    ratio = dict(zip(names, np.divide(after, free), strict=True))
    assert ratio["siu"] < 0.9
    assert ratio["siv"] < 0.9
    assert ratio["sic"] < 0.98
    assert ratio["sit"] < 1.0
    assert ratio["sid"] == 1.0

    found = innovation_statistics(operator, operator.apply(states), operator.apply(analysis))
    assert (found["rmse"].sel(stage="analysis") < 0.8 * found["rmse"].sel(stage="forecast")).all()
    np.testing.assert_allclose(found["diagnosed_error"], found["stated_error"], rtol=0.35)
