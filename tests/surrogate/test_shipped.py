"""The weights that ship: found by name, and better than persistence on a storm that is not in their data."""

import numpy as np
import pytest

from gensim_graph import InputError, Surrogate, evaluate, open_store
from gensim_graph.data import cyclone_trajectories
from gensim_graph.evaluate import persistence
from gensim_graph.surrogate.shipped import SHIPPED

HALF_A_DAY = np.timedelta64(12, "h")


@pytest.fixture(scope="module")
def truth():
    (path,) = cyclone_trajectories("test")
    return open_store(str(path))


@pytest.mark.parametrize("name", SHIPPED)
def test_an_unseen_storm(name, truth):
    model = Surrogate.load(name)
    initial = truth.isel(time=8)
    forecast = model.forecast(initial, truth, steps=1, members=3, seed=0)
    ours = evaluate(forecast, truth).set_index("variable")
    baseline = evaluate(persistence(initial, [HALF_A_DAY]), truth).set_index("variable")
    ratio = ours["rmse"] / baseline["rmse"]
    assert (ratio[["sit", "sic", "sid", "siu", "siv"]] < 0.8).all(), ratio
    assert (ours["out_of_bounds"] == 0).all()


def test_a_folder_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    with pytest.raises(InputError, match="no trained model here"):
        Surrogate.load("small")


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"huge: no trained model here.*one that ships \(small, small-1, small@1\)"):
        Surrogate.load("huge")
