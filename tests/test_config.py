"""The configuration: overrides that are understood, and errors that name the key."""

import json

import pytest

from gensim_graph.config import RunConfig, compose_config
from gensim_graph.errors import InputError
from gensim_graph.nn import PRESETS


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
    with pytest.raises(InputError, match=r"preset 'huge': expected one of tiny, small, base"):
        compose_config("huge")
