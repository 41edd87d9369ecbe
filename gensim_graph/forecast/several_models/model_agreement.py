"""Checks of the models of one forecast: they must agree in what the members are, not in how they were trained."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from gensim_graph.errors import InputError
from gensim_graph.surrogate import Surrogate, model_hash
from gensim_graph.variables import Variable

_WORDS_ONLY = ("long_name", "standard_name", "range", "names", "over_ice", "standard_names")
"""Attributes of a variable that may differ: they say how files name it."""

_COMPARED = tuple(one.name for one in fields(Variable) if one.name not in _WORDS_ONLY)


def check_agreement(models: Sequence[Surrogate], names: Sequence[str]) -> None:
    """Check that the members of several models are members of one forecast.

    Args:
        models: two or more.
        names: of the models, for messages.

    Raises:
        InputError: a model appears twice; another lead time, other forecast variables, another unit, bound or rule of a
            variable; a twin beside flows; another device or precision.
    """
    first = models[0]
    digests = [model_hash(model) for model in models]

    for number, (model, name) in enumerate(zip(models[1:], names[1:], strict=True), start=1):
        pair = f"several models: {names[0]} and {name}"
        if digests[number] in digests[:number]:
            same = names[digests.index(digests[number])]
            raise InputError(
                f"several models: {same} and {name} are the same model; name it once, its members differ by their noise"
            )

        _check_same(pair, "lead time", _hours(first), _hours(model), "train one with the lead time of the other")
        _check_same(pair, "forecast variables", _forecast(first), _forecast(model), "choose models that forecast alike")
        _check_channels(pair, first, model)
        _check_same(
            pair,
            "kind",
            _kind(first),
            _kind(model),
            "take flows alone or deterministic twins alone: a twin has no noise",
        )
        _check_same(pair, "device", str(first.device), str(model.device), "move them to one, model.to(device)")
        _check_same(
            pair, "precision", first.precision, model.precision, "give both the same, model.to(device, precision)"
        )


def _check_same(pair: str, what: str, expected: str, came: str, advice: str) -> None:
    if expected != came:
        raise InputError(f"{pair} differ in their {what}: expected {expected}, as of the first; came {came}; {advice}")


def _check_channels(pair: str, first: Surrogate, other: Surrogate) -> None:
    """Raise an error if the same state or the same forcing would mean something else to the other model."""
    tables = first.normaliser.table, other.normaliser.table
    expected, came = (", ".join(one.name for one in table.state) for table in tables)
    _check_same(pair, "state variables", expected, came, "choose models of the same variable table")

    known = {one.name: one for one in tables[0].variables}
    for variable in tables[1].variables:
        if variable.name in known:
            _check_variable(pair, known[variable.name], variable)


def _check_variable(pair: str, expected: Variable, came: Variable) -> None:
    for key in _COMPARED:
        first, other = (repr(getattr(one, key)) for one in (expected, came))
        _check_same(pair, f"'{key}' of {came.name}", first, other, "choose models of the same variable table")


def _hours(model: Surrogate) -> str:
    return f"{model.normaliser.statistics.lead_hours:g} h"


def _forecast(model: Surrogate) -> str:
    return ", ".join(variable.name for _, variable in model.forecast_variables)


def _kind(model: Surrogate) -> str:
    return "a deterministic twin" if model.deterministic else "a flow"


def distinct_names(models: Iterable[Surrogate]) -> list[str]:
    """Return the names of models; those of the same name get the beginning of their hash.

    Args:
        models: of a forecast.
    """
    known = [(model.name, model) for model in models]
    names = [name for name, _ in known]
    return [f"{name} ({model_hash(model)[:8]})" if names.count(name) > 1 else name for name, model in known]
