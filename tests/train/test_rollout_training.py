"""Training through rollouts: the steps of a forecast, with right gradients, and a loss that sees several scales."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.examples import TINY, small_trajectory
from support.meshes import jittered_box
from support.surrogates import DATA, TABLE, random_surrogate, transporting

from gensim_graph.config import ObjectiveConfig, compose_config
from gensim_graph.data import SamplingConfig, TrainingBatch, TrainingSamples, Trajectories, collate, turn_graph
from gensim_graph.data.rollouts import RolloutSamples, collate_rollouts, pad_rollout
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, almost_fair_crps
from gensim_graph.graph import GraphSizes
from gensim_graph.nn import face_graph
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import config_of, distil, fit, plan_training, train
from gensim_graph.train.rollouts import ConsistencyTraining, RolloutTraining
from gensim_graph.train.rollouts.ensemble_loss import EnsembleLoss
from gensim_graph.train.rollouts.member_rollout import MemberRollout
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.variables import VariableTable

ONE_STEP = SamplerConfig(steps=1, method="euler")
STORES = [small_trajectory(jittered_box(6), seed=seed) for seed in range(2)]


def batch_of(model: Surrogate, rollout: int = 2, size: int = 1, first: int = 0, chain: int = 1):
    part = Trajectories.from_dataset(DATA, TABLE, np.timedelta64(6, "h"))
    config = SamplingConfig(batch=size, lead_time="6h", rollout=rollout, chain=chain, chains=1, partitions=1)
    samples = RolloutSamples([part], model.normaliser, config, 0, 20)
    return collate_rollouts([samples[first + number] for number in range(size)])


def training_of(model: Surrogate, *overrides: str, sampler: SamplerConfig = ONE_STEP) -> RolloutTraining:
    config = compose_config("tiny", ["objective=crps", *overrides])
    return RolloutTraining(model.operator, dataclasses.replace(config, sampler=sampler), model.normaliser)


@pytest.mark.parametrize("build", [random_surrogate, transporting])
@pytest.mark.parametrize("sampler", [ONE_STEP, SamplerConfig(steps=2)], ids=["student", "flow"])
def test_a_step_of_the_training_is_a_step_of_the_forecast(build, sampler):
    model = dataclasses.replace(build(), sampler=sampler)
    batch = batch_of(model, rollout=1)
    operator, plan = model.operator, model.operator.plan(batch.graph)

    def evaluate(noised, conditions, flow_time, plan):
        return operator.velocity(noised, flow_time, operator.prepare(conditions, plan))

    state, noise = batch.state[0].expand(3, -1, -1), torch.randn(3, *batch.state.shape[1:])
    with torch.no_grad():
        trained = MemberRollout(model.normaliser, sampler).step(evaluate, plan, batch, 0, state, noise)
        mesh_plan = model.plan(jittered_box(6))
        forecast = model._next_state(mesh_plan, state, batch.forcing[0], batch.forcing[1], batch.slow[0], noise)
    torch.testing.assert_close(trained, forecast, rtol=1e-4, atol=1e-5)


def test_gradient_through_three_steps_is_that_of_finite_differences():
    # Without bounds, rules and transport: where they act, the derivative jumps, or is left out on purpose.
    free = {"lower": -np.inf, "upper": np.inf, "needs": (), "amount": False, "conserved": False, "transported": False}
    table = VariableTable(tuple(dataclasses.replace(one, **free) for one in TABLE.variables))
    model = random_surrogate(size=0.1)
    model = dataclasses.replace(model, normaliser=dataclasses.replace(model.normaliser, table=table))
    model.operator.config = dataclasses.replace(model.operator.config, backend="reference")  # in double precision
    training = training_of(model).double()
    batch = batch_of(model, rollout=3)
    batch = batch._replace(graph=batch.graph._mapped(lambda one: one.double() if one.is_floating_point() else one))
    batch = batch._replace(**{name: getattr(batch, name).double() for name in ("state", "forcing", "slow", "weight")})

    def loss() -> torch.Tensor:
        total, weight = training.training_loss(batch)
        return total / weight

    loss().backward()
    weights = [one for one in training.operator.parameters() if one.grad is not None and one.grad.norm() > 1e-3]
    assert len(weights) > 10
    for weight in weights[:: len(weights) // 4]:
        place = int(weight.grad.abs().argmax())
        slope, step = float(weight.grad.flatten()[place]), 1e-6
        values = []
        for shift in (step, -step):
            with torch.no_grad():
                weight.view(-1)[place] += shift
                values.append(float(loss()))
                weight.view(-1)[place] -= shift
        assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


@pytest.mark.parametrize("more", [0, 30])
def test_loss_of_a_batch_is_that_of_its_samples(more):
    model = transporting()
    training = training_of(model, "objective.averages=0", "objective.gradients=0", "objective.deformation=0")
    both, singles = batch_of(model, size=2), [batch_of(model, first=number) for number in range(2)]
    if more:
        sizes = GraphSizes.of(both.graph)
        both = pad_rollout(both, sizes.holding(both.graph)._replace(cells=sizes.cells + more))

    with torch.no_grad():
        loss, weight = training.training_loss(both)
        expected = [training.training_loss(one) for one in singles]
    torch.testing.assert_close(weight, sum(one[1] for one in expected))
    torch.testing.assert_close(loss, sum(one[0] for one in expected), rtol=1e-4, atol=1e-4)


def test_checkpointed_steps_have_the_gradient_of_plain_ones(monkeypatch):
    model = transporting()
    batch = batch_of(model)

    def gradient() -> torch.Tensor:
        training = training_of(model)
        training.zero_grad()
        loss, weight = training.training_loss(batch)
        (loss / weight).backward()
        return torch.cat([one.grad.flatten() for one in training.operator.parameters() if one.grad is not None])

    kept = gradient()
    plain = lambda function, *inputs, **_: function(*inputs)  # noqa: E731
    monkeypatch.setattr(sys.modules[RolloutTraining.__module__], "checkpoint", plain)
    torch.testing.assert_close(kept, gradient())
    assert kept.norm() > 0


def test_a_chain_goes_on_with_the_members_that_the_training_made():
    """Two links of one step, with the same noise, end where one rollout of two steps ends."""
    model = transporting()
    links = [batch_of(model, 1, size=2, first=number, chain=2) for number in (0, 2)]
    assert [part.continues for link in links for part in link.parts] == [False, False, True, True]
    torch.testing.assert_close(links[0].state[1], links[1].state[0])
    training = training_of(model, "data.chain=2", "data.chains=1")
    for link in links:
        training.training_loss(link)

    both = links[0]._replace(
        state=torch.stack([links[0].state[0], *(link.state[1] for link in links)]),
        forcing=torch.stack([links[0].forcing[0], *(link.forcing[1] for link in links)]),
        slow=torch.cat([link.slow for link in links]),
        weight=torch.cat([link.weight for link in links]),
    )
    noise = [training._noise(link, 0) for link in links]
    training._noise = lambda batch, step: noise[step]
    plan = model.operator.plan(both.graph)
    *_, ended = training._states(both, both.state[0].expand(2, -1, -1), training._evaluate, plan)
    torch.testing.assert_close(training._ended[0], ended)
    assert not training._ended[0].requires_grad


class TestLoss:
    GRAPH = batch_of(random_surrogate()).graph

    def random_fields(self, members: int = 3):
        rng = torch.Generator().manual_seed(0)
        faces = self.GRAPH.n_cells
        fields = [torch.randn(*shape, generator=rng) for shape in ((members, faces, 6), (faces, 6))]
        return (*fields, (torch.rand(faces, 6, generator=rng) < 0.7).float())

    def test_cells_are_scored_by_area(self):
        members, truth, weight = self.random_fields()
        loss = EnsembleLoss(ObjectiveConfig("crps", averages=0), ())(members, truth, weight, self.GRAPH)
        share = weight * self.GRAPH.area[:, None]
        expected = (almost_fair_crps(members, truth) * share).sum() / share.sum()
        torch.testing.assert_close(loss, expected)

    def test_means_over_four_cells_are_those_of_the_tokens(self):
        members, truth, _ = self.random_fields()
        weight = torch.ones_like(truth)
        losses = [
            EnsembleLoss(ObjectiveConfig("crps", averages=averages), ())(members, truth, weight, self.GRAPH)
            for averages in (0, 1)
        ]
        area, token = self.GRAPH.area, self.GRAPH.slot // 4
        total, sizes = 0.0, 0.0
        for number in token.unique():
            own = token == number
            size = area[own].sum()
            means = [(one[..., own, :] * area[own, None]).sum(-2) / size for one in (members, truth)]
            total, sizes = total + (almost_fair_crps(*means) * size).sum(), sizes + 6 * size
        torch.testing.assert_close(losses[1] - losses[0], total / sizes, rtol=1e-4, atol=1e-5)

    def test_perfect_members_have_no_loss_and_do_not_depend_on_axes(self):
        members, truth, weight = self.random_fields()
        weight = torch.ones_like(weight)
        loss = EnsembleLoss(ObjectiveConfig("crps"), [(3, 4)])
        assert float(loss(truth.expand(2, -1, -1), truth, weight, self.GRAPH)) == pytest.approx(0, abs=1e-6)

        def quarter_turn(values):
            turned = values.clone()
            turned[..., 3], turned[..., 4] = -values[..., 4], values[..., 3]
            return turned

        one = loss(members, truth, weight, self.GRAPH)
        turned = turn_graph(self.GRAPH, np.pi / 2)
        torch.testing.assert_close(one, loss(*map(quarter_turn, (members, truth)), weight, turned))

    def test_deformation_of_a_linear_drift_is_that_of_its_gradient(self):
        """Divergence and shear of a drift that is linear in space are known; the stencil is exact for it inside."""
        _, truth, _ = self.random_fields()
        graph, drifts, logs = self.GRAPH, [], []
        inside = (graph.boundary[:, :2].sum(dim=-1, keepdim=True) == 0).float()
        for gradient in ([[0.3, -0.2], [0.5, 0.1]], [[0.0, 0.4], [0.4, 0.0]], [[0.0, 0.1], [-0.1, 0.0]]):
            slope = torch.tensor(gradient) / 1e4  # per 10 km
            rate = torch.hypot(slope.trace(), torch.hypot(slope[0, 0] - slope[1, 1], slope[0, 1] + slope[1, 0]))
            drifts.append(torch.cat([truth[:, :3], graph.pos @ slope.T, truth[:, 5:]], dim=-1))
            logs.append(0.5 * torch.log((rate * graph.length.flatten()) ** 2 + 0.02**2))
        logs[2] = torch.full_like(logs[2], np.log(0.02))  # a rotation does not deform

        objective = ObjectiveConfig("crps", averages=0, gradients=0.0, deformation=1.0)
        losses = [
            EnsembleLoss(dataclasses.replace(objective, deformation=weight), [(3, 4)])(
                torch.stack(drifts[:2]), drifts[2], inside.expand_as(truth), graph
            )
            for weight in (1.0, 0.0)
        ]
        share = graph.area * inside.flatten()
        expected = (almost_fair_crps(torch.stack(logs[:2]), logs[2]) * share).sum() / share.sum()
        torch.testing.assert_close(losses[0] - losses[1], expected, rtol=1e-3, atol=1e-3)


def run(folder: Path, steps: int, start: Surrogate, *more: str) -> Surrogate:
    overrides = ["objective=crps", "sampler.steps=1", "data.batch=2", "data.lead_time=3h", "data.rollout=2", *more]
    config = config_of(start, compose_config(None, [*overrides, f"trainer.max_steps={steps}"]), overrides)
    return fit(plan_training(data=STORES, config=config, start=start), folder, progress=False)


@pytest.fixture(scope="module")
def flow(tmp_path_factory) -> Surrogate:
    folder = tmp_path_factory.mktemp("flow")
    return train(data=STORES, max_steps=3, out=folder / "run", overrides=TINY, progress=False)


class Killed(Exception):  # noqa: N818
    """The process ends without warning."""


def test_resumes_bit_for_bit(flow, tmp_path, monkeypatch):
    options = ("trainer.save_every=2", "trainer.warmup=1", "data.chain=3", "data.chains=2")
    whole = run(tmp_path / "whole", 4, flow, *options)

    step = TrainingModule.training_step
    with monkeypatch.context() as patch:

        def killed_step(self, batch, batch_idx):
            if self.trainer.global_step == 3:
                raise Killed
            return step(self, batch, batch_idx)

        patch.setattr(TrainingModule, "training_step", killed_step)
        with pytest.raises(Killed):
            run(tmp_path / "cut", 4, flow, *options)
    resumed = run(tmp_path / "cut", 4, flow, *options)

    for name, weights in whole.operator.state_dict().items():
        assert torch.equal(weights, resumed.operator.state_dict()[name]), name


def test_a_run_from_before_the_score_of_the_deformation_goes_on_without_it(flow, tmp_path):
    options = ("objective.deformation=0", "trainer.warmup=1")
    run(tmp_path / "run", 1, flow, *options)
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    del settings["config"]["objective"]["deformation"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"objective\.deformation"):
        run(tmp_path / "run", 2, flow, "trainer.warmup=1")
    assert run(tmp_path / "run", 2, flow, *options).information["steps"] == 2


def test_student_is_a_surrogate_of_one_evaluation(flow, tmp_path):
    overrides = ["data.batch=2", "data.lead_time=3h", "trainer.warmup=1"]
    distil(flow, STORES, out=tmp_path / "student", max_steps=2, overrides=overrides, progress=False)
    student = Surrogate.load(tmp_path / "student")
    assert student.sampler == ONE_STEP
    assert student.information["objective"] == "crps"
    assert student.information["started_from"]["steps"] == 3

    forecast = student.forecast(STORES[0].isel(time=0), STORES[0], steps=2, members=3, progress=False)
    assert (forecast["sit"].isel(lead_time=2).std("member") > 0).any()

    again = config_of(student, compose_config(None, ["objective=crps", "data.lead_time=3h"]), ["objective=crps"])
    assert again.sampler == ONE_STEP


class TestWrongInput:
    def test_flow_through_several_steps(self, flow):
        config = compose_config(None, ["data.rollout=2", "data.lead_time=3h"])
        with pytest.raises(InputError, match="add objective=crps"):
            plan_training(data=STORES, config=config, start=flow)

    def test_flow_in_a_chain(self, flow):
        config = compose_config(None, ["data.chain=4", "data.lead_time=3h"])
        with pytest.raises(InputError, match=r"data.chain=4: .*add objective=crps"):
            plan_training(data=STORES, config=config, start=flow)

    def test_flow_from_a_student(self, flow):
        student = dataclasses.replace(flow, information={"objective": "crps"})
        with pytest.raises(InputError, match="go on with objective=crps"):
            config_of(student, compose_config(None, ["data.lead_time=3h"]))

    def test_student_of_a_twin(self, flow):
        with pytest.raises(InputError, match="deterministic twin"):
            distil(dataclasses.replace(flow, deterministic=True), STORES)

    @pytest.mark.parametrize(
        ("override", "message"),
        [("objective.members=1", "objective.members"), ("objective.name=mse", "one of flow, consistency, crps")],
    )
    def test_settings(self, override, message):
        with pytest.raises(InputError, match=message):
            compose_config(None, ["objective=crps", override])

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("data.on_device=true", "leave out data.on_device=true"),
            ("trainer.deterministic=true", "a deterministic twin has no noise"),
        ],
    )
    def test_settings_of_other_objectives(self, override, message):
        config = compose_config(None, ["objective=crps", "data.lead_time=3h", override])
        with pytest.raises(InputError, match=message):
            plan_training(data=STORES, config=config)

    def test_no_evaluation(self, flow):
        with pytest.raises(InputError, match="expected 1 evaluation or more; came 0"):
            distil(flow, STORES, evaluations=0)


class TestConsistency:
    def training(self, flow: Surrogate) -> tuple[ConsistencyTraining, TrainingBatch]:
        config = config_of(flow, compose_config(None, ["objective=consistency", *TINY[5:]]), [])
        plan = plan_training(data=STORES, config=config, start=flow)
        samples = TrainingSamples(list(plan.data), plan.normaliser, plan.config.data, 0, 8)
        return ConsistencyTraining(plan.operator(), plan.config.trainer), collate([samples[2], samples[3]])

    def test_a_flow_of_straight_lines_is_its_own_student(self, flow):
        """A velocity that does not change along the way leads from all points to the same end."""
        training, batch = self.training(flow)
        value = torch.randn(batch.velocity.shape)
        for operator in (training.operator, training.teacher, training.average.module):
            operator.velocity = lambda noised, time, prepared: value
        loss, _ = training.training_loss(batch)
        assert float(loss) == pytest.approx(0, abs=1e-6)

    def test_the_wanted_end_is_reached_from_one_step_further_on(self, flow):
        """dz/dtau = a z is followed by the teacher; the student that ends at z exp(a (1 - tau)) is consistent."""
        training, batch = self.training(flow)
        rate = -0.4

        def exact(noised, time, prepared):
            left = (1 - time)[:, face_graph(batch.graph), None]
            return noised * (torch.exp(rate * left) - 1) / left

        training.teacher.velocity = lambda noised, time, prepared: rate * noised
        training.operator.velocity = training.average.module.velocity = exact
        loss, weight = training.training_loss(batch)
        assert float(loss / weight) < 1e-8  # the error of a step of Heun, squared

    def test_student_of_two_stages(self, flow, tmp_path):
        overrides = ["data.batch=2", "data.lead_time=3h", "trainer.warmup=1"]
        first = distil(
            flow,
            STORES,
            out=tmp_path / "a",
            max_steps=2,
            overrides=[*overrides, "objective=consistency"],
            progress=False,
        )
        assert first.sampler == ONE_STEP
        student = distil(first, STORES, out=tmp_path / "b", max_steps=1, overrides=overrides, progress=False)
        assert student.information["started_from"]["objective"] == "consistency"
        with pytest.raises(InputError, match="the model is a student"):
            distil(first, STORES, out=tmp_path / "c", overrides=[*overrides, "objective=consistency"], progress=False)

    def test_without_a_flow(self):
        config = compose_config(None, ["objective=consistency", "data.lead_time=3h"])
        with pytest.raises(InputError, match="learns from a trained flow"):
            plan_training(data=STORES, config=config)
