"""Steps that are recorded and replayed, and steps for which the processor never waits."""

import contextlib
import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.places import ROOT
from support.recorders import OnDeviceAlone, TapeRecorder
from support.surrogates import DATA, MESH, TABLE, random_surrogate
from support.waiting import NoWaiting
from torch.utils._pytree import tree_map

from gensim_graph.data import Trajectories, as_forcing, statistics_of, with_transport
from gensim_graph.graph import MeshGraph
from gensim_graph.mesh import Mesh
from gensim_graph.nn.native import loader
from gensim_graph.surrogate import StepBudget, Surrogate
from gensim_graph.system import Replay

TRANSPORTED = ("sit", "sic", "sid", "snt")
LEAD = np.timedelta64(6, "h")
START = DATA["time"].values[0]


def model_of(kind: str, backend: str = "clusters") -> Surrogate:
    """A random model of some kind: everything that a step may contain."""
    plain = random_surrogate(kind == "deterministic", size=0.1)
    operator = type(plain.operator)(
        dataclasses.replace(plain.operator.config, backend=backend),
        plain.normaliser.state_channels,
        plain.normaliser.condition_channels,
    )
    operator.load_state_dict(plain.operator.state_dict())
    model = dataclasses.replace(plain, operator=operator)
    if kind == "transport":
        (data,) = with_transport([Trajectories.from_dataset(DATA, TABLE, LEAD)], TABLE, TRANSPORTED, 6 * 3600.0)
        statistics = dataclasses.replace(statistics_of([data], TABLE, 6.0), transported=TRANSPORTED)
        model = dataclasses.replace(model, normaliser=dataclasses.replace(model.normaliser, statistics=statistics))
    if kind == "mirrored":
        model.mirror = "always"
    model.conserve = "always"
    return model


@pytest.fixture
def operations_alone(monkeypatch):
    """The network in operations of PyTorch alone, as on a GPU: a tape does not see compiled code."""
    monkeypatch.setattr(loader, "native_available", lambda: False)


KINDS = ("plain", "deterministic", "transport", "mirrored")


def recorded(model: Surrogate) -> tuple[Surrogate, TapeRecorder]:
    """The same model, whose steps are recorded on the processor."""
    recorder = TapeRecorder()
    return dataclasses.replace(model, _replay=Replay(recorder)), recorder


def states(members: int) -> torch.Tensor:
    return torch.from_numpy(Trajectories.from_dataset(DATA, TABLE, LEAD).read(0, 0).state).repeat(members, 1, 1)


def steps(model: Surrogate, mesh: Mesh, batches: list[range], count: int = 3) -> list[torch.Tensor]:
    """States of all batches after every step, computed in turn."""
    plan, forcing = model.plan(mesh), as_forcing(DATA, MESH, TABLE)
    current = [states(len(batch)) for batch in batches]
    found = []
    for step in range(count):
        for number, batch in enumerate(batches):
            time = START + step % 2 * LEAD
            current[number] = model.advance(current[number], forcing, time, step, batch, 7, plan)
            found.append(current[number])
    return found


@pytest.mark.parametrize("method", ["euler", "midpoint", "heun"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("operations_alone")
def test_replayed_steps_have_the_same_bits(kind, method):
    """Two batches of different sizes in turn, three steps each; earlier results are looked at only at the end."""
    model = model_of(kind)
    model.sampler = dataclasses.replace(model.sampler, steps=2, method=method)
    replayed, recorder = recorded(model)
    batches = [range(3), range(3, 5)]
    expected, came = steps(model, MESH, batches), steps(replayed, MESH, batches)
    assert recorder.recorded == 2
    assert len(came) == 6
    assert not torch.equal(came[0], came[2])
    for one, other in zip(came, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("operations_alone")
def test_the_budget_of_replayed_steps_is_the_same_and_waits_for_nothing():
    model = model_of("transport")
    replayed, recorder = recorded(model)
    given = {"steps": 3, "members": 2, "budget": True, "progress": False}
    expected, came = (one.forecast(DATA.isel(time=0), DATA, **given) for one in (model, replayed))
    assert recorder.recorded == 1
    for name in ("sit_transport", "sit_source"):
        np.testing.assert_array_equal(came[name], expected[name])

    budget = StepBudget(model.normaliser, model.plan(MESH), MESH)
    before, after = states(2), one_step(model, model.plan(MESH))
    with NoWaiting():
        budget.beside(after, before)


def one_step(model: Surrogate, plan, seed: int = 7) -> torch.Tensor:
    return model.advance(states(2), as_forcing(DATA, MESH, TABLE), START, 0, range(2), seed, plan)


def changed_in_place(model):
    with torch.no_grad():
        for weight in model.operator.parameters():
            weight.mul_(1.1)


def replaced(model):
    weights = {name: 1.1 * weight for name, weight in model.operator.state_dict().items()}
    model.operator.load_state_dict(weights, assign=True)


CHANGES = {
    "weights in place": (changed_in_place, 1),
    "other weights": (replaced, 2),
    "sampler": (lambda model: setattr(model, "sampler", dataclasses.replace(model.sampler, steps=4)), 2),
    "precision": (lambda model: setattr(model, "_precision", "bf16"), 2),
    "conservation": (lambda model: setattr(model, "conserve", "never"), 2),
    "statistics": (lambda model: setattr(model, "normaliser", model_of("transport").normaliser), 2),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.usefixtures("operations_alone")
def test_a_model_that_changes_is_not_replayed_as_it_was(change):
    model = model_of("plain")
    replayed, recorder = recorded(model)
    act, recordings = CHANGES[change]
    one_step(replayed, replayed.plan(MESH))
    before = replayed.plan(MESH)
    assert torch.equal(one_step(replayed, before), one_step(model, before))
    recorder.recorded -= 1  # of the first plan

    act(replayed)
    fresh = dataclasses.replace(replayed, _replay=None)
    plan = replayed.plan(MESH) if change == "statistics" else before
    assert torch.equal(one_step(replayed, plan), one_step(fresh, plan))
    assert recorder.recorded == recordings


@pytest.mark.usefixtures("operations_alone")
def test_noise_and_state_are_not_part_of_the_recording():
    model = model_of("transport")
    replayed, recorder = recorded(model)
    plan = model.plan(MESH)
    for seed in range(3):
        assert torch.equal(one_step(replayed, plan, seed), one_step(model, plan, seed))
    assert recorder.recorded == 1


def test_only_models_on_a_gpu_record():
    model = model_of("plain")
    assert model._replay is None
    assert model.to("cpu")._replay is None
    assert model.to("meta")._replay is None
    assert model.record()._replay is not None
    assert model.record(False)._replay is None
    model = model_of("plain").compile(backend="eager")
    assert not model._replay.applies_to(model.device)
    assert model._replay.applies_to(torch.device("cuda"))
    assert model.compile(backend="eager", replay=False)._replay is None
    assert model.compile(mode="reduce-overhead")._replay is None


# No waiting


@pytest.mark.parametrize("kind", KINDS)
def test_two_steps_of_a_forecast_never_wait(kind):
    model = model_of(kind)
    assert model.plan(MESH).is_mirrored == (kind == "mirrored")
    plan, forcing, state = model.plan(MESH), as_forcing(DATA, MESH, TABLE), states(2)
    model.advance(state, forcing, START, 0, range(2), 0, plan)  # statistics become tensors at their first use
    with NoWaiting():
        for step in range(2):
            state = model.advance(state, forcing, START + step * LEAD, step, range(2), 0, plan)
    assert torch.isfinite(state).all()


def interpreted_steps() -> None:
    """Two steps with the Triton attention in its interpreter, none of which waits, beside those of another backend."""
    found = {}
    for backend in ("triton", "reference"):
        model = model_of("transport", backend)
        plan, forcing, state = model.plan(MESH), as_forcing(DATA, MESH, TABLE), states(1)
        model.advance(state, forcing, START, 0, range(1), 0, plan)
        with NoWaiting():
            for step in range(2):
                state = model.advance(state, forcing, START + step * LEAD, step, range(1), 0, plan)
        found[backend] = state
    torch.testing.assert_close(found["triton"], found["reference"], rtol=1e-3, atol=1e-4)


def test_two_steps_with_the_triton_attention_never_wait():
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    own = {"UNCHECKED": "1", "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False, env=os.environ | own)
    assert done.returncode == 0, done.stderr


class Elsewhere:
    """Moves a model and its tables to the device ``meta``, and knows all tensors there."""

    def __init__(self) -> None:
        self.known: list[torch.Tensor] = []

    def tensor(self, value):
        if isinstance(value, torch.Tensor):
            self.known.append(value.to("meta"))
            return self.known[-1]
        return value

    def tables(self, item):
        if isinstance(item, MeshGraph):
            return MeshGraph(**{name: self.tables(value) for name, value in item.to_dict().items()})
        if dataclasses.is_dataclass(item):
            return type(item)(**{one.name: self.tables(getattr(item, one.name)) for one in dataclasses.fields(item)})
        return tree_map(self.tensor, item)


@pytest.mark.parametrize("backend", ["clusters", "triton"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_uses_nothing_in_the_memory_of_the_processor(kind, backend, monkeypatch):
    """A CUDA graph could not record it, and a step would wait for it: lists as indices, numbers as tensors."""
    if backend == "triton":
        pytest.importorskip("triton", reason="triton is not installed: pip install triton")
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(Surrogate, "_autocast", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *device: False)  # unknown on this device
    model = model_of(kind, backend)
    plan, drivers = model.plan(MESH), as_forcing(DATA, MESH, TABLE).at(START)
    shared = [torch.from_numpy(one) for one in (drivers.forcing, drivers.forcing, drivers.slow)]
    noise = [] if kind == "deterministic" else [states(2)]

    there = Elsewhere()
    plan, inputs = there.tables(plan), there.tables([states(2), *shared, *noise])
    model = model.to("meta")
    with torch.inference_mode():
        model._next_state(plan, *inputs)  # statistics and bounds become tensors at their first use
        with OnDeviceAlone(there.known):
            result = model._next_state(plan, *inputs)
    assert result.device.type == "meta"
    assert result.shape == inputs[0].shape


@pytest.mark.parametrize(
    "waits",
    [lambda state: state[..., [0, 2]], lambda state: state + torch.tensor([1.0]), lambda state: state[state > 0]],
)
def test_what_waits_is_seen(waits):
    """The refusal itself: a list as index, a tensor of the processor, a number of values that is not known before."""
    state = torch.zeros(2, 5, 6, device="meta")
    with pytest.raises((AssertionError, RuntimeError)), OnDeviceAlone([state]):
        waits(state)


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_replayed_steps_have_the_same_bits(kind, caplog):
    """Three steps of two batches of different sizes, compiled, with and without recordings."""

    def run(replay: bool) -> tuple[list[torch.Tensor], Surrogate]:
        torch.compiler.reset()
        model = model_of(kind, "auto").to("cuda").compile(replay=replay)
        plan, forcing = model.plan(MESH), as_forcing(DATA, MESH, TABLE)
        current, found = [states(3).cuda(), states(2).cuda()], []
        for step in range(3):
            for number, batch in enumerate((range(3), range(3, 5))):
                time = START + step % 2 * LEAD
                current[number] = model.advance(current[number], forcing, time, step, batch, 7, plan)
                found.append(current[number])
        return found, model

    expected, _ = run(False)
    came, model = run(True)
    assert "kernel by kernel" not in caplog.text
    assert len(model._replay._recordings) == 2
    for one, other in zip(came, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.gpu
def test_on_a_gpu_two_steps_never_wait():
    model = model_of("transport", "auto").to("cuda")
    plan, forcing, state = model.plan(MESH), as_forcing(DATA, MESH, TABLE), states(2).cuda()
    model.advance(state, forcing, START, 0, range(2), 0, plan)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(2):
            state = model.advance(state, forcing, START + step * LEAD, step, range(2), 0, plan)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(state).all()


if __name__ == "__main__":
    interpreted_steps()
