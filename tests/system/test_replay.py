"""Recorded work gives the numbers of the work itself: other values, shapes, objects, settings, failures."""

import logging
import pickle

import pytest
import torch
from support.recorders import FailingRecorder, TapeRecorder, WrongRecorder

from gensim_graph.system import Replay
from gensim_graph.system.replay import GraphRecorder

WEIGHT = torch.tensor([2.0, -1.0, 0.5])


def work(values, shift):
    """Two intermediate results, of which the first is used again after the second (as in Heun's method)."""
    first = torch.sin(values * WEIGHT)
    second = torch.cos(first + shift)
    return first * second + shift.square()


def inputs(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, 3, generator=generator), torch.randn(rows, 1, generator=generator)]


def call(replay, given, fixed=(WEIGHT,), settings=()):
    return replay(work, given, fixed, settings)


def test_other_values_give_other_results():
    recorder = TapeRecorder()
    replay = Replay(recorder)
    for seed in range(4):
        given = inputs(5, seed)
        assert torch.equal(call(replay, given), work(*given))
    assert (recorder.recorded, recorder.repeated) == (1, 4)  # the first replay is the check


def test_results_are_not_overwritten_and_inputs_not_touched():
    replay = Replay(TapeRecorder())
    many = [inputs(5, seed) for seed in range(4)]
    kept = [[one.clone() for one in given] for given in many]
    results = [call(replay, given) for given in many]
    for given, before, result in zip(many, kept, results, strict=True):
        assert torch.equal(result, work(*before))
        assert all(map(torch.equal, given, before))


def test_results_that_are_inputs_of_the_next_call():
    replay, state, expected = Replay(TapeRecorder()), inputs(5)[0], inputs(5)[0]
    shift = torch.full((5, 1), 0.3)
    for _ in range(4):
        state, expected = call(replay, [state, shift]), work(expected, shift)
    assert torch.equal(state, expected)


def test_inputs_that_are_not_contiguous():
    replay = Replay(TapeRecorder())
    for seed in range(3):
        values, shift = inputs(5, seed)
        turned = values.t().contiguous().t()
        assert torch.equal(call(replay, [turned, shift.expand(5, 1)]), work(values, shift))


def test_every_shape_has_its_recording():
    recorder = TapeRecorder()
    replay = Replay(recorder)
    for rows in (5, 2, 5, 2):
        given = inputs(rows, rows)
        assert torch.equal(call(replay, given), work(*given))
    assert recorder.recorded == 2


def test_the_oldest_recording_is_forgotten():
    recorder = TapeRecorder()
    replay = Replay(recorder, most=2)
    for rows in (1, 2, 3, 2, 1):
        call(replay, inputs(rows))
    assert recorder.recorded == 4


def test_another_object_or_setting_is_recorded_anew():
    recorder = TapeRecorder()
    replay = Replay(recorder)
    for fixed, settings in (((WEIGHT,), 1), ((WEIGHT.clone(),), 1), ((WEIGHT,), 2), ((WEIGHT,), 1)):
        call(replay, inputs(5), fixed, settings)
    assert recorder.recorded == 3


@pytest.mark.parametrize(
    ("recorder", "reason"), [(FailingRecorder, "not permitted when stream is capturing"), (WrongRecorder, "differs")]
)
def test_without_a_right_recording_the_work_is_done_itself(recorder, reason, caplog):
    replay = Replay(recorder())
    with caplog.at_level(logging.WARNING):
        given = inputs(5)
        assert torch.equal(call(replay, given), work(*given))
    assert reason in caplog.text
    assert "kernel by kernel" in caplog.text
    assert not replay.applies_to(torch.device("cpu"))


def test_results_that_are_not_finite_are_not_a_wrong_recording():
    replay = Replay(TapeRecorder())
    values, shift = inputs(5)
    values[0, 0] = torch.nan
    for _ in range(2):
        torch.testing.assert_close(call(replay, [values, shift]), work(values, shift), equal_nan=True, rtol=0, atol=0)
    assert replay.applies_to(torch.device("cpu"))


def test_errors_of_the_work_itself_are_raised():
    replay = Replay(TapeRecorder())
    with pytest.raises(RuntimeError, match="must match the size"):
        call(replay, [torch.zeros(5, 4), torch.zeros(5, 1)])
    assert replay.applies_to(torch.device("cpu"))


def test_only_work_of_its_device_is_recorded():
    assert Replay().applies_to(torch.device("cuda"))
    assert not Replay().applies_to(torch.device("cpu"))
    assert Replay(TapeRecorder()).applies_to(torch.device("cpu"))


def test_a_copy_has_no_recordings():
    replay = Replay()
    assert pickle.loads(pickle.dumps(replay)).applies_to(torch.device("cuda"))


# On a GPU


@pytest.mark.gpu
def test_on_a_gpu_graphs_give_the_same_bits():
    weight, recorder = WEIGHT.cuda(), GraphRecorder()
    replay = Replay(recorder)

    def on_gpu(values, shift):
        first = torch.sin(values * weight)
        second = torch.cos(first + shift)
        return first * second + shift.square()

    for rows in (50_000, 20_000, 50_000, 20_000, 50_000):
        given = [one.cuda() for one in inputs(rows, rows)]
        assert torch.equal(replay(on_gpu, given, (weight,), ()), on_gpu(*given))
    assert replay.applies_to(torch.device("cuda"))


@pytest.mark.gpu
def test_on_a_gpu_work_that_waits_is_not_recorded(caplog):
    replay = Replay()

    def waits(values):
        return values * float(values.sum())

    given = torch.arange(6.0, device="cuda")
    with caplog.at_level(logging.WARNING):
        for factor in (1.0, 2.0):
            came = replay(waits, [factor * given], (), ()) if replay.applies_to(given.device) else waits(factor * given)
            assert torch.equal(came, waits(factor * given))
    assert "kernel by kernel" in caplog.text
