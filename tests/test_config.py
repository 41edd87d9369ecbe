"""The configuration: overrides that are understood, and errors that name the key."""

import json

import numpy as np
import pytest
import yaml

from gensim_graph.config import RunConfig, compose_config, sweep
from gensim_graph.errors import InputError
from gensim_graph.nn import PRESETS
from gensim_graph.system import resource


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset):
    assert compose_config(preset).operator == PRESETS[preset]


def test_a_preset_changes_the_operator_alone():
    assert compose_config("tiny") == RunConfig(operator=PRESETS["tiny"])


@pytest.mark.parametrize(
    ("override", "group", "key", "value"),
    [
        ("trainer.max_steps=500", "trainer", "max_steps", 500),
        ("trainer.learning_rate=1e-4", "trainer", "learning_rate", 1e-4),
        ("data.batch=3", "data", "batch", 3),
        ("data.lead_time=6h", "data", "lead_time", "6h"),
        ("data.levels=[1.0,0.5]", "data", "levels", [1.0, 0.5]),
        ("data.rotate=true", "data", "rotate", True),
        ("sampler.method=euler", "sampler", "method", "euler"),
        ("operator.width=32", "operator", "width", 32),
    ],
)
def test_overrides(override, group, key, value):
    assert getattr(getattr(compose_config("tiny", [override]), group), key) == value


def test_an_override_does_not_leak_into_the_next_run():
    compose_config("tiny", ["operator.width=32", "trainer.seed=9"])
    assert compose_config("tiny") == RunConfig(operator=PRESETS["tiny"])


def test_configuration_is_frozen():
    with pytest.raises(AttributeError):
        compose_config().trainer.seed = 3


def test_configuration_is_plain_data():
    rows = compose_config().to_dict()
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("override", ["trainer.max_step=5", "speed=9", "data.bach=2", "operator.depth=3"])
def test_an_unknown_key(override):
    with pytest.raises(InputError) as error:
        compose_config("tiny", [override])
    assert override.split("=")[0].split(".")[-1] in str(error.value)
    assert "max_steps" in str(error.value)


WRONG_TYPES = ["trainer.max_steps=many", "data.batch=2.5", "data.rotate=perhaps", "sampler.steps=[1]"]


@pytest.mark.parametrize("override", WRONG_TYPES)
def test_a_value_of_the_wrong_type(override):
    with pytest.raises(InputError, match=override.split("=")[0]):
        compose_config("tiny", [override])


@pytest.mark.parametrize("override", ["trainer.max_steps", "=3", "data.batch="])
def test_an_override_that_is_none(override):
    with pytest.raises(InputError):
        compose_config("tiny", [override])


def test_an_unknown_preset():
    with pytest.raises(InputError, match=r"preset 'huge': expected one of tiny, small, medium, base"):
        compose_config("huge")


@pytest.mark.parametrize(
    "override",
    [
        "data.batch=0",
        "data.levels=[]",
        "data.levels=[0.0,0.0]",
        "data.levels=[1.0,-0.5]",
        "data.partitions=0",
        "data.core=0",
        "data.clusters=1",
        "data.lead_time=0h",
        "data.lead_time=soon",
        "trainer.max_steps=0",
        "trainer.save_every=0",
        "trainer.seed=-1",
        "trainer.learning_rate=0",
        "trainer.learning_rate=nan",
        "trainer.scale_learning_rate=inf",
        "trainer.warmup=-1",
        "trainer.ema=1.5",
        "trainer.devices=0",
        "trainer.patience=-1",
        "data.validation=0.6",
        "data.workers=-2",
        "operator.heads=0",
        "operator.blocks=0",
        "operator.cell_layers=0",
        "operator.width=20",
        "operator.cell_width=0",
        "operator.embedding=7",
        "operator.backend=magic",
        "sampler.method=rk4",
        "sampler.steps=0",
        "sampler.scale=-1",
    ],
)
def test_a_value_that_makes_no_sense(override):
    """The message names key, what is expected and what came, and nothing of Hydra."""
    key, value = override.split("=")
    with pytest.raises(InputError, match=rf"^{key}: expected .*; came ") as error:
        compose_config("tiny", [override])
    assert value.strip("[]").split(",")[0] in str(error.value)


@pytest.mark.parametrize("text", ["90min", "1d", "12h"])
def test_lead_times(text):
    hours = {"90min": 1.5, "1d": 24, "12h": 12}[text]
    assert compose_config("tiny", [f"data.lead_time={text}"]).data.lead / np.timedelta64(1, "h") == hours


# Groups in configs/


@pytest.mark.parametrize("group", ["data", "trainer", "sampler"])
def test_the_files_hold_the_defaults_of_the_schema(group):
    """Every key stands in the YAML file, with the value that Python has without it."""
    values = yaml.safe_load(resource("configs", group, "default.yaml").read_text())
    assert values == RunConfig().to_dict()[group]


@pytest.mark.parametrize("name", [path.stem for path in resource("configs", "experiment").glob("*.yaml")])
def test_experiments_that_ship(name):
    """Each composes and changes something."""
    assert compose_config(None, [f"+experiment={name}"]) != compose_config()


def test_an_experiment_yields_to_overrides():
    config = compose_config(None, ["+experiment=shipped", "trainer.max_steps=7", "operator=tiny"])
    assert (config.trainer.max_steps, config.data.balance, config.operator) == (7, 0.5, PRESETS["tiny"])


def test_the_size_is_chosen_once():
    assert compose_config(None, ["operator=small"]).operator == PRESETS["small"]
    with pytest.raises(InputError, match="give one of them"):
        compose_config("tiny", ["operator=small"])


# A file of the user


def written(folder, text):
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_file(tmp_path):
    """Over the defaults, under the command line."""
    text = "defaults:\n  - operator: small\n  - experiment: twin\ntrainer:\n  max_steps: 9\n  seed: 4\n"
    config = compose_config(None, ["trainer.seed=5"], written(tmp_path, text))
    assert config.operator == PRESETS["small"]
    assert (config.trainer.deterministic, config.trainer.max_steps, config.trainer.seed) == (True, 9, 5)
    assert compose_config("tiny", file=tmp_path / "mine.yaml").operator == PRESETS["tiny"]


def test_a_file_without_defaults(tmp_path):
    config = compose_config(file=written(tmp_path, "data: {levels: [1.0], lead_time: 6h}\n"))
    assert (config.data.levels, config.data.lead_time, config.operator) == ([1.0], "6h", PRESETS["tiny"])


def test_a_resolved_run_is_a_file(tmp_path):
    """What --dry-run prints composes to itself."""
    config = compose_config("small", ["data.batch=3", "operator.unit_km=null"])
    assert compose_config(file=written(tmp_path, json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer: {max_step: 5}", r"mine\.yaml.*max_step.*The keys are"),
        ("trainer: {max_steps: many}", r"mine\.yaml.*max_steps"),
        ("trainer: {max_steps: 0}", r"trainer\.max_steps: expected .*; came 0"),
        ("speed: 9", "speed"),
        ("- a\n- b", "expected groups and keys"),
        ("trainer: [", r"mine\.yaml: cannot be read"),
        ("defaults:\n  - operator: huge", "huge"),
        ("defaults:\n  - tiny", "expected GROUP: NAME"),
    ],
)
def test_a_wrong_file(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        compose_config(file=written(tmp_path, text))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        compose_config(file=tmp_path / "absent.yaml")


def test_a_file_does_not_leak_into_the_next_run(tmp_path):
    compose_config(file=written(tmp_path, "trainer: {seed: 9}"))
    assert compose_config() == RunConfig(operator=PRESETS["tiny"])


# Sweeps


def test_combinations_of_a_sweep():
    found = sweep(["operator=tiny,small", "data.levels=[1.0,0.5]", "trainer.seed=range(3)"])
    assert len(found) == 6
    assert found[4] == ["operator=small", "data.levels=[1.0,0.5]", "trainer.seed=1"]
    seeds = [compose_config(None, row).trainer.seed for row in found]
    assert seeds == [0, 1, 2, 0, 1, 2]


def test_no_sweep_is_one_run():
    assert sweep(["trainer.seed=1"]) == [["trainer.seed=1"]]
    assert sweep([]) == [[]]


def test_a_sweep_that_cannot_be_parsed():
    with pytest.raises(InputError, match="configuration"):
        sweep(["trainer.seed=(1"])
