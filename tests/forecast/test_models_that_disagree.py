"""Models that cannot share a forecast: the message says what was expected, what came and what to do."""

from dataclasses import replace

import pytest
from support.forecasts import write
from support.model_lists import named_model, sunny_model

from gensim_graph.errors import InputError
from gensim_graph.forecast import ModelSet
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import VariableTable

FIRST, SECOND = named_model("first", 0), named_model("second", 1)


def with_statistics(**changes: object) -> Surrogate:
    statistics = replace(SECOND.normaliser.statistics, **changes)  # type: ignore[arg-type]
    return replace(SECOND, normaliser=replace(SECOND.normaliser, statistics=statistics))


def with_variable(name: str, **changes: object) -> Surrogate:
    """The second model with another meaning of a variable."""
    rows = SECOND.normaliser.table.variables
    table = VariableTable(tuple(replace(one, **changes) if one.name == name else one for one in rows))  # type: ignore[arg-type]
    return replace(SECOND, normaliser=replace(SECOND.normaliser, table=table))


VALUES = {name: value for name, value in SECOND.normaliser.statistics.values.items() if name != "sid"}
FEWER = VariableTable(tuple(one for one in SECOND.normaliser.table.variables if one.name != "snt"))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (with_statistics(lead_hours=12.0), "lead time: expected 6 h, as of the first; came 12 h; train"),
        (
            with_statistics(values=VALUES),
            "forecast variables: expected sit, sic, sid, siu.*came sit, sic, siu",
        ),
        (with_variable("sit", units="cm"), "'units' of sit: expected 'm', as of the first; came 'cm'; choose"),
        (with_variable("uas", units="km h-1"), "'units' of uas: expected 'm s-1'.*came 'km h-1'"),
        (with_variable("sic", upper=100.0), "'upper' of sic: expected 1.0"),
        (replace(SECOND, normaliser=replace(SECOND.normaliser, table=FEWER)), "state variables: .* came sit, sic"),
        (replace(SECOND, deterministic=True), "a flow, as of the first; came a deterministic twin; take flows alone"),
        (named_model("second", 1).to("cpu", "bf16"), "precision: expected float32.*came bf16; give both"),
        (replace(FIRST, name="copy"), "first and copy are the same model; name it once"),
    ],
)
def test_what_is_refused(tmp_path, other, words):
    with pytest.raises(InputError, match=words):
        write([FIRST, other], tmp_path / "fc.zarr")
    assert not (tmp_path / "fc.zarr").exists()


def test_other_words_for_a_variable_are_not(tmp_path):
    write([FIRST, with_variable("sit", long_name="ice")], tmp_path / "fc.zarr", steps=1, members=2)


@pytest.mark.parametrize(
    ("given", "words"),
    [([], "came an empty list"), ("small", "came str"), ([FIRST, "small"], "came str"), (None, "came NoneType")],
)
def test_what_is_no_model(given, words):
    with pytest.raises(InputError, match=f"expected a trained model or a list of them.*{words}"):
        ModelSet.of(given)


def test_fewer_members_than_models(tmp_path):
    with pytest.raises(InputError, match="expected 2 or more, one for each of the models first, second; came 1"):
        write([FIRST, SECOND], tmp_path / "fc.zarr", members=1)


def test_forcing_that_one_of_them_lacks(tmp_path):
    with pytest.raises(InputError, match="rsds missing; this model was trained with them"):
        write([FIRST, sunny_model()], tmp_path / "fc.zarr")


def test_another_order_or_another_model_is_another_forecast(tmp_path):
    write([FIRST, SECOND], tmp_path / "fc.zarr", steps=1)
    for models in ([SECOND, FIRST], FIRST, [FIRST, named_model("third", 2)]):
        with pytest.raises(InputError, match="holds a forecast with another model"):
            write(models, tmp_path / "fc.zarr", steps=1)
    write([FIRST, SECOND], tmp_path / "fc.zarr", steps=2)


def test_the_settings_of_each_belong_to_the_forecast(tmp_path):
    write([FIRST, SECOND], tmp_path / "fc.zarr", steps=1)
    with pytest.raises(InputError, match="conserve no, not auto, never"):
        write([FIRST, replace(SECOND, conserve="never")], tmp_path / "fc.zarr", steps=1)
