"""A model that was trained on data with and without a variable forecasts with and without it."""

from dataclasses import replace

import numpy as np
import pytest

import gensim_graph as gg
from gensim_graph.data import cyclone_trajectories


@pytest.fixture(scope="module")
def storm():
    return gg.open_store(cyclone_trajectories("test")[0]).isel(time=slice(0, 9))


def model_with_temperature(optional: tuple[str, ...]) -> gg.Surrogate:
    """The weights that ship, which never saw a temperature, with the statistics of one."""
    model = gg.Surrogate.load("small@1")
    known = model.normaliser.statistics
    statistics = replace(known, values=known.values | {"tus": (260.0, 10.0)}, optional=optional)
    return replace(model, normaliser=replace(model.normaliser, statistics=statistics))


def forecast(model: gg.Surrogate, storm, **fields):
    return model.forecast(storm.isel(time=0), storm.assign(fields), steps=1, members=2, progress=False)


def temperature(storm, kelvin: float):
    return (storm["uas"] * 0 + kelvin).assign_attrs(units="K")


def test_without_the_variable_it_is_a_model_that_never_knew_it(storm):
    found = forecast(model_with_temperature(("tus",)), storm)
    expected = forecast(gg.Surrogate.load("small@1"), storm)
    for name in ("sit", "siu"):
        assert np.array_equal(found[name], expected[name])


def test_with_the_variable_it_uses_it(storm):
    cold = forecast(model_with_temperature(("tus",)), storm, tus=temperature(storm, 240))
    warm = forecast(model_with_temperature(("tus",)), storm, tus=temperature(storm, 280))
    assert not np.array_equal(cold["sit"], warm["sit"])


def test_a_variable_that_all_training_data_had_is_needed(storm):
    with pytest.raises(gg.InputError, match="tus missing; this model was trained with them"):
        forecast(model_with_temperature(()), storm)


def test_the_list_is_saved(tmp_path):
    model_with_temperature(("tus",)).save(tmp_path / "model")
    assert gg.Surrogate.load(tmp_path / "model").normaliser.statistics.optional == ("tus",)
