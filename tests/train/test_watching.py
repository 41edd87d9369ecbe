"""What a training shows of itself: validation on data held back, the record, the best weights, patience."""

import numpy as np
import pandas as pd
import pytest
import torch
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box

import gensim_graph as gg
from gensim_graph.data import Trajectories, hold_out
from gensim_graph.errors import InputError
from gensim_graph.io import open_stores
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import read_record
from gensim_graph.train.training_module import TrainingModule
from gensim_graph.train.training_record import build_loggers, cut_record
from gensim_graph.train.validating import ensemble_crps, forecast_scores

TABLE = gg.default_variables()
LEAD = np.timedelta64(6, "h")
NETWORK = ["operator.width=16", "operator.heads=1", "operator.blocks=1", "operator.cell_width=8", "data.batch=2"]
QUICK = [*NETWORK, "operator.cell_layers=1", "operator.embedding=16", "data.lead_time=6h", "data.workers=0"]
STORE = small_trajectory(jittered_box(8), hours=240, seed=0)


def trajectories(count, mesh=None, hours=9):
    stores = open_stores([small_trajectory(mesh or jittered_box(6), hours=hours, seed=seed) for seed in range(count)])
    return [Trajectories.from_dataset(store, TABLE, LEAD) for store in stores]


def train(folder, *more, **keywords):
    return gg.train(data=STORE, max_steps=8, out=folder, overrides=[*QUICK, *more], progress=False, **keywords)


# Data held back


def test_the_end_of_a_long_record_is_held_back():
    """The last tenth of the pairs, and no training pair reaches into it."""
    whole = trajectories(1, hours=240)[0]
    split = hold_out([whole], 0.1)
    training, validation = split.training[0], split.validation[0]
    first = whole.n_starts - validation.n_starts

    assert validation.n_starts == whole.n_starts // 10
    assert training.n_starts - 1 + whole.lead_steps < first
    expected, came = whole.read(0, first), validation.read(0, 0)
    assert all(np.array_equal(a, b) for a, b in zip(came, expected, strict=True))


def test_whole_trajectories_are_held_back_of_short_records():
    """Of ten trajectories, a tenth of the pairs is the last one."""
    data = trajectories(10)[0]
    split = hold_out([data], 0.1)
    assert [part.n_trajectories for part in split.training] == [9]
    assert [part.n_pairs for part in split.validation] == [data.n_starts]
    came, expected = split.validation[0].read(0, 1), data.read(9, 1)
    assert all(np.array_equal(a, b) for a, b in zip(came, expected, strict=True))


def test_part_of_a_short_record_is_held_back():
    """Of seven trajectories of 7 pairs, a tenth is 4 pairs: the end of the last one; 2 pairs before it are lost."""
    data = trajectories(7, hours=24)[0]
    split = hold_out([data], 0.1)
    assert data.n_starts == 7
    assert [part.n_pairs for part in split.training] == [42, 1]
    assert [part.n_pairs for part in split.validation] == [4]
    came, expected = split.validation[0].read(0, 0), data.read(6, 3)
    assert all(np.array_equal(a, b) for a, b in zip(came, expected, strict=True))


def test_trajectories_come_from_the_largest_set():
    data = trajectories(7) + trajectories(2, regular_grid(8))
    split = hold_out(data, 0.25)
    assert {part.mesh.n_faces for part in split.validation} == {data[0].mesh.n_faces}
    assert sum(part.n_pairs for part in split.validation) == int(9 * 2 * 0.25)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_few_short_trajectories_are_all_trained_on(share):
    data = trajectories(4)
    split = hold_out(data, share)
    assert split.training == data
    assert split.validation == []
    assert split.text == "nothing"


def test_every_pair_is_in_one_part_or_in_the_gap():
    whole = trajectories(3, hours=240)[0]
    training, validation = (part[0] for part in hold_out([whole], 0.2)[:2])
    assert training.n_pairs + validation.n_pairs + 3 * whole.lead_steps == whole.n_pairs


# Scores


def test_crps_of_two_members_by_hand():
    """Members 0 and 2, truth 1: the mean distance is 1, half the mean distance of two members is 1."""
    came = ensemble_crps(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0]))
    assert came.item() == pytest.approx(0.0)


def test_crps_of_a_gaussian():
    """The mean over many ensembles is the closed form for a Gaussian (Gneiting and Raftery 2007, eq. 21)."""
    generator = torch.Generator().manual_seed(0)
    members = torch.randn(5, 200_000, generator=generator, dtype=torch.float64)
    came = ensemble_crps(members, torch.full((200_000,), 0.7, dtype=torch.float64)).mean()
    normal = torch.distributions.Normal(0.0, 1.0)
    point = torch.tensor(0.7, dtype=torch.float64)
    expected = 0.7 * (2 * normal.cdf(point) - 1) + 2 * normal.log_prob(point).exp() - np.pi**-0.5
    assert float(came) == pytest.approx(float(expected), abs=4e-3)


@pytest.mark.slow
def test_scores_of_a_forecast(tmp_path):
    model = train(tmp_path / "run")
    part = trajectories(1, jittered_box(8), hours=48)[0]
    scores = forecast_scores(model, part, members=3, steps=2, starts=2)
    assert {"crps_sit", "spread_skill_sic", "drift_error", "volume_ratio"} <= scores.keys()
    assert all(np.isfinite(value) for value in scores.values())
    assert scores == forecast_scores(model, part, members=3, steps=2, starts=2)


# The record of a run


def test_a_run_writes_its_record(tmp_path):
    train(tmp_path / "run", "trainer.log_every=2", "trainer.validate_every=4", "trainer.forecast_every=4")
    record = read_record(tmp_path / "run")
    assert record["loss"].dropna().index.tolist() == [2, 4, 6, 8]
    assert record["validation_loss"].dropna().index.tolist() == [4, 8]
    assert {"gradient_norm", "learning_rate", "samples_per_second", "crps_sit"} <= set(record.columns)
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_watching_does_not_change_the_training(tmp_path):
    watched = train(tmp_path / "a", "trainer.validate_every=1", "trainer.forecast_every=1", "trainer.log_every=1")
    other = train(tmp_path / "b", "trainer.validate_every=8", "trainer.log_every=8")
    expected = other.operator.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in watched.operator.state_dict().items())


def test_the_best_weights_are_kept(tmp_path):
    """They are those of the step with the smallest validation loss."""
    train(tmp_path / "run", "trainer.validate_every=2", "trainer.learning_rate=0.05", "trainer.warmup=0")
    losses = read_record(tmp_path / "run")["validation_loss"].dropna()
    assert Surrogate.load(tmp_path / "run" / "best").information["steps"] == losses.idxmin()


def test_broken_weights_are_never_the_best(tmp_path, monkeypatch):
    """A loss that is no number is found before the validation, for which it would be the smallest."""
    nll = TrainingModule._nll

    def broken(self, *arguments):
        is_third_step = self.global_step == 2 and torch.is_grad_enabled()
        return nll(self, *arguments) * (torch.nan if is_third_step else 1.0)

    monkeypatch.setattr(TrainingModule, "_nll", broken)
    with pytest.raises(InputError, match="step 3: the loss is nan"):
        train(tmp_path / "run", "trainer.validate_every=1", "trainer.log_every=100", "trainer.save_every=100")
    best = Surrogate.load(tmp_path / "run" / "best")
    assert best.information["steps"] <= 2
    assert all(weight.isfinite().all() for weight in best.operator.state_dict().values())


def test_the_mean_loss_of_a_record_is_that_of_its_steps(tmp_path):
    train(tmp_path / "a", "trainer.log_every=1")
    train(tmp_path / "b", "trainer.log_every=4")
    steps, means = (read_record(tmp_path / name)["loss"].dropna() for name in "ab")
    assert means.tolist() == pytest.approx([steps[:4].mean(), steps[4:].mean()], rel=1e-5)


def test_training_ends_without_patience(tmp_path):
    """With a learning rate of almost nothing the loss does not improve by more than rounding."""
    more = ["trainer.validate_every=1", "trainer.patience=2", "trainer.learning_rate=30", "trainer.clip=1e9"]
    model = train(tmp_path / "run", *more, "trainer.warmup=0")
    losses = read_record(tmp_path / "run")["validation_loss"].dropna()
    assert model.information["steps"] == len(losses) < 8
    assert losses.idxmin() == len(losses) - 2

    again = train(tmp_path / "run", *more, "trainer.warmup=0")
    assert again.information["steps"] == len(losses)


def test_a_resumed_run_goes_on_in_the_same_record(tmp_path):
    table = pd.DataFrame({"step": [1, 2, 3], "measure": "loss", "value": [3.0, 2.0, 1.0]})
    table.to_csv(tmp_path / "metrics.csv", index=False)
    cut_record(tmp_path, 2)
    logger = build_loggers("csv", tmp_path)[0]
    logger.log_metrics({"loss": 0.5}, 3)
    assert read_record(tmp_path)["loss"].tolist() == [3.0, 2.0, 0.5]


def test_a_finished_run_of_an_earlier_version_has_no_record(tmp_path):
    """The same command on it gives the model again, without a picture."""
    train(tmp_path / "run")
    for name in ("metrics.csv", "curves.png"):
        (tmp_path / "run" / name).unlink()
    assert train(tmp_path / "run").information["steps"] == 8
    assert not (tmp_path / "run" / "curves.png").exists()


def test_an_unknown_logger(tmp_path):
    with pytest.raises(InputError, match=r"trainer.logger=pigeon: expected some of csv, tensorboard"):
        train(tmp_path / "run", "trainer.logger=pigeon")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(InputError, match="no record of a training"):
        read_record(tmp_path)


def test_validation_files_of_their_own(tmp_path):
    other = small_trajectory(jittered_box(7), hours=24, seed=5)
    train(tmp_path / "run", "trainer.validate_every=4", validation=other)
    assert read_record(tmp_path / "run")["validation_loss"].notna().sum() == 2


def test_where_the_time_went(tmp_path):
    train(tmp_path / "run", "trainer.profile=true")
    text = next((tmp_path / "run").glob("*profile*.txt")).read_text()
    assert "optimizer_step" in text
