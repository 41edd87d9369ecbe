"""Ranges of the training data: as by brute force, of vectors their magnitude, in memory and in prepared stores."""

import numpy as np
from safetensors.numpy import load_file, save_file
from support.examples import small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import PreparedTrajectories, Statistics, Trajectories, prepare, statistics_of
from gensim_graph.data.statistics import RunningMoments
from gensim_graph.io import open_store
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEAD = np.timedelta64(6, "h")


def ranges_of(*data) -> dict[str, tuple[float, float]]:
    return statistics_of([Trajectories.from_dataset(one, TABLE, LEAD) for one in data], TABLE, 6.0).ranges


def test_ranges_are_those_of_all_values():
    first = open_store(small_trajectory(jittered_box(6), hours=24))
    second = first.assign(sit=1.5 * first["sit"], siu=-2 * first["siu"])
    came = ranges_of(first, second)
    for name in ("sit", "sic", "sid"):
        values = np.stack([first[name].values, second[name].values])
        np.testing.assert_allclose(came[name], (values.min(), values.max()), rtol=1e-6)
    fastest = max(np.hypot(one["siu"], one["siv"]).values.max() for one in (first, second))
    for name in ("siu", "siv"):
        np.testing.assert_allclose(came[name], (-fastest, fastest), rtol=1e-6)
    assert "snt" not in came


def test_moments_without_a_range_make_it_unknown():
    running = RunningMoments((TABLE["sit"],))
    running.add(np.array([[1.0], [3.0]]), np.array([True]))
    assert running.ranges() == {"sit": (1.0, 3.0)}
    running.merge(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))  # nothing at all
    assert running.ranges() == {"sit": (1.0, 3.0)}
    running.merge(np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    assert running.ranges() == {}


def test_ranges_of_a_prepared_store(tmp_path):
    """Those of the data in memory; a store of an earlier version, without ranges, still has its other statistics."""
    data = small_trajectory(jittered_box(6), hours=24)
    data.to_netcdf(tmp_path / "run.nc")
    store = tmp_path / "store.zarr"
    prepare(tmp_path / "run.nc", store, lead_times=[LEAD], progress=False)
    expected = ranges_of(open_store(tmp_path / "run.nc"))
    came = statistics_of([PreparedTrajectories.open(store, TABLE, LEAD)], TABLE, 6.0).ranges
    assert came.keys() == expected.keys()
    for name, pair in expected.items():
        np.testing.assert_allclose(came[name], pair, rtol=1e-6)

    content = load_file(store / "moments.safetensors")
    del content["extent"]
    save_file(content, store / "moments.safetensors")
    old = statistics_of([PreparedTrajectories.open(store, TABLE, LEAD)], TABLE, 6.0)
    assert old.ranges == {}
    assert "sit" in old.values


def test_a_model_that_goes_on_knows_the_range_of_both_data():
    """Its scales stay; what the new data lack keeps its range, and what the model never knew gets none."""
    known = Statistics(12.0, {"sit": (1.0, 0.5)}, ranges={"sit": (0.0, 3.0), "tus": (240.0, 280.0)})
    found = known.covering(Statistics(12.0, {"sit": (2.0, 1.0)}, ranges={"sit": (0.1, 5.0), "snt": (0.0, 1.0)}))
    assert found.ranges == {"sit": (0.0, 5.0), "tus": (240.0, 280.0)}
    assert found.values == known.values
    assert Statistics(12.0).covering(known).ranges == {}
