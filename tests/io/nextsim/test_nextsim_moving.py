"""neXtSIM's moving mesh across several remeshings: ids and positions compared with the files read by struct."""

import logging
import shutil
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from support.places import NEXTSIM
from support.plain_nextsim import plain_mesh, plain_read, triangle_areas

from gensim_graph.errors import InputError
from gensim_graph.io import drift, mesh_from_dataset, open_moving
from gensim_graph.io.nextsim.nextsim_records import Record, read_records, write_records

BOX = NEXTSIM / "box"
FIVE, BEFORE = "20000101T050000Z", "pre_regrid_20000101T051320Z"
AFTER, SIX = "post_regrid_20000101T051320Z", "20000101T060000Z"


@pytest.fixture(scope="module")
def intervals() -> list[xr.Dataset]:
    """The excerpt of a run, with one remeshing."""
    return open_moving(BOX)


def test_an_interval_ends_with_a_remeshing(intervals):
    """Of the two states at 05:13:20, one ends the first interval and one begins the second."""
    assert [ds.record.values.tolist() for ds in intervals] == [[FIVE, BEFORE], [AFTER, SIX]]
    assert intervals[0].time.values[1] == intervals[1].time.values[0] == np.datetime64("2000-01-01T05:13:20")
    assert [ds.sizes["node"] for ds in intervals] == [299, 302]
    assert [len(open_moving(BOX, remeshings=False)[k].record) for k in range(2)] == [1, 1]


def test_positions_ids_and_fields_are_those_of_the_files(intervals):
    """At every time the positions and ids equal those that struct reads."""
    for ds in intervals:
        for time, name in enumerate(ds.record.values):
            faces, ids, nodes = plain_mesh(BOX / f"mesh_{name}")
            now = ds.isel(time=time)
            np.testing.assert_array_equal(now.face_nodes, faces)
            np.testing.assert_array_equal(now.node_id, ids)
            np.testing.assert_array_equal(np.stack([now.node_x, now.node_y], axis=1), nodes)
            plain = dict(plain_read(BOX / f"field_{name}"))
            np.testing.assert_array_equal(now.sit, plain["Thickness"])
            np.testing.assert_array_equal(np.r_[now.siu, now.siv], plain["M_VT"])
            np.testing.assert_array_equal(now.Ridge_ratio, plain["Ridge_ratio"])
            np.testing.assert_array_equal(np.r_[now.M_ocean_x, now.M_ocean_y], plain["M_ocean"])
            assert now.Sigma_0.attrs["units"] == "Pa"


def test_one_time_is_a_ugrid_dataset(intervals):
    """The dataset of one time has the mesh of that time."""
    mesh = mesh_from_dataset(intervals[0].isel(time=1))
    faces, _, nodes = plain_mesh(BOX / f"mesh_{BEFORE}")
    np.testing.assert_allclose(mesh.areas, triangle_areas(nodes, faces), rtol=1e-9)
    assert {name: len(pairs) for name, pairs in mesh.boundaries.items()} == {"coast": 45, "open": 15}


def test_drift_within_an_interval_is_that_of_the_rows(intervals):
    """Within an interval, drift has all nodes in the order of their ids."""
    first, second = (intervals[0].isel(time=time) for time in (0, 1))
    found = drift(first, second)
    order = np.argsort(first.node_id.values)
    np.testing.assert_array_equal(found.node_id, first.node_id.values[order])
    moved = (second.node_x.values - first.node_x.values)[order] / 800.0
    np.testing.assert_allclose(found.siu, moved, rtol=1e-12)
    assert abs(found.siu.values - first.siu.values[order]).max() < 0.5  # siu of the file is instantaneous
    assert found.siu.attrs["units"] == "m s-1"


def test_drift_across_a_remeshing_follows_the_ids(intervals):
    """Surviving nodes keep their position to a few mm while the mesh is rebuilt; their rows change."""
    before, after = intervals[0].isel(time=1), intervals[1].isel(time=0)
    shared, here, there = np.intersect1d(before.node_id, after.node_id, return_indices=True)
    assert len(shared) > 250
    assert not np.array_equal(here, there)
    offset = np.hypot(
        before.node_x.values[here] - after.node_x.values[there], before.node_y.values[here] - after.node_y.values[there]
    )
    assert offset.max() < 5e-3
    found = drift(intervals[0].isel(time=0), intervals[1].isel(time=1))
    shared = np.intersect1d(intervals[0].node_id, intervals[1].node_id)
    np.testing.assert_array_equal(found.node_id, shared)
    still = np.hypot(found.siu, found.siv).values[shared <= 60]  # boundary nodes are held in place
    assert still.max() < 1e-9


def test_ids_through_all_remeshings_of_two_runs(shared_data):
    """For all neighbouring times, drift equals what numpy computes from the files; no id is used twice."""
    for name, remeshings, boundary in (("tiny_box", 5, 60), ("cyclone_16km", 7, 128)):
        folder = shared_data / "native" / name
        intervals = open_moving(folder)
        assert len(intervals) == remeshings + 1
        times = [ds.isel(time=time) for ds in intervals for time in range(ds.sizes["time"])]
        known = set(times[0].node_id.values.tolist())
        for before, after in pairwise(times):
            _, ids0, nodes0 = plain_mesh(folder / f"mesh_{before.record.item()}")
            _, ids1, nodes1 = plain_mesh(folder / f"mesh_{after.record.item()}")
            new = set(ids1.tolist()) - set(ids0.tolist())
            assert not new & known
            known |= new
            assert set(range(1, boundary + 1)) <= set(ids1.tolist())
            if before.time == after.time:
                continue
            found = drift(before, after)
            shared, here, there = np.intersect1d(ids0, ids1, return_indices=True)
            np.testing.assert_array_equal(found.node_id, shared)
            seconds = float((after.time - before.time) / np.timedelta64(1, "s"))
            np.testing.assert_allclose(found.siu, (nodes1[there, 0] - nodes0[here, 0]) / seconds, rtol=1e-12)
            np.testing.assert_allclose(found.siv, (nodes1[there, 1] - nodes0[here, 1]) / seconds, rtol=1e-12)


def test_ice_volume_of_the_moving_mesh(shared_data):
    """No ice crosses the sides of triangles between remeshings; in this run remeshings conserve the volume too."""
    intervals = open_moving(shared_data / "native" / "cyclone_16km")
    volumes = []
    for ds in intervals:
        for time in range(ds.sizes["time"]):
            now = ds.isel(time=time)
            nodes = np.stack([now.node_x, now.node_y], axis=1)
            volumes.append(now.sit.values.astype(np.float64) @ triangle_areas(nodes, now.face_nodes.values))
    assert np.ptp(volumes) / volumes[0] < 1e-6


def test_ids_of_several_nodes_are_not_followed(tmp_path, caplog):
    """A run from a mesh that does not number its boundary first has ids of several nodes."""
    for file in BOX.glob("*_20000101*"):
        shutil.copy(file, tmp_path)
    base = tmp_path / f"mesh_{SIX}"
    records = [
        Record("id", np.where(record.values == 250, 10, record.values).astype("<i4")) if record.name == "id" else record
        for record in read_records(base)
    ]
    write_records(base, records)
    intervals = open_moving(tmp_path, remeshings=False)
    with caplog.at_level(logging.WARNING):
        found = drift(intervals[0].isel(time=0), intervals[1].isel(time=0))
    assert "1 ids belong to several nodes" in caplog.text
    assert 10 not in found.node_id
    assert 250 not in found.node_id


def test_an_id_that_jumps_is_another_node(intervals, caplog):
    """A node that is faster than any ice is left out."""
    first, second = (intervals[0].isel(time=time).copy(deep=True) for time in (0, 1))
    second["node_x"][100] += 800.0 * 5.5
    with caplog.at_level(logging.WARNING):
        found = drift(first, second)
    assert found.sizes["node"] == 298
    assert "left out 1 nodes" in caplog.text


def test_a_restart_lists_its_other_fields():
    """The other fields are thick and young ice, stress, and the displacement for drifters, with units."""
    (ds,) = open_moving(BOX / "restart")
    assert ds.sizes["time"] == 1
    plain = dict(plain_read(BOX / "restart" / f"field_{SIX}"))
    np.testing.assert_array_equal(ds.M_sigma_0.values[0], plain["M_sigma_0"])
    np.testing.assert_array_equal(ds.M_UT_x.values[0], plain["M_UT"][:302])
    assert ds.M_tice_1.attrs["units"] == "degC"
    assert not {"M_UM", "PreviousNumbering", "Time"} & set(ds.variables)


def test_records_of_one_name_get_numbers(tmp_path):
    """Several diagnostics have the same name."""
    for suffix in (".bin", ".dat"):
        shutil.copy(BOX / f"mesh_{SIX}{suffix}", tmp_path)
    extra = [Record("D_tau_ow", np.full(542, float(number))) for number in range(3)]
    write_records(tmp_path / f"field_{SIX}", [*read_records(BOX / f"field_{SIX}"), *extra])
    (ds,) = open_moving(tmp_path)
    assert [float(ds[name][0, 0]) for name in ("D_tau_ow", "D_tau_ow_2", "D_tau_ow_3")] == [0, 1, 2]


def test_what_drift_does_not_take(intervals, tmp_path):
    """Whole intervals, times in the wrong order, and folders without a run are refused."""
    with pytest.raises(InputError, match="one time"):
        drift(intervals[0], intervals[1])
    with pytest.raises(InputError, match="after the first"):
        drift(intervals[1].isel(time=1), intervals[0].isel(time=0))
    with pytest.raises(InputError, match="no output of neXtSIM"):
        open_moving(tmp_path)
    for file in BOX.glob("*_2000*"):
        shutil.copy(file, tmp_path)
    records = [record for record in read_records(BOX / f"field_{FIVE}") if record.name != "Sigma_0"]
    write_records(tmp_path / f"field_{FIVE}", records)
    shutil.copy(BOX / f"mesh_{BEFORE}.bin", tmp_path)
    shutil.copy(BOX / f"mesh_{BEFORE}.dat", tmp_path)
    for suffix in (".bin", ".dat"):
        shutil.copy(BOX / f"field_{BEFORE}{suffix}", tmp_path)
    with pytest.raises(InputError, match="differ in Sigma_0"):
        open_moving(tmp_path)
