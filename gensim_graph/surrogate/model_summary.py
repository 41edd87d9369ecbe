"""A trained model in ten lines, for ``print(model)``."""

from textwrap import shorten

from gensim_graph.surrogate.forecast_origin import model_hash
from gensim_graph.surrogate.step_model import StepModel
from gensim_graph.units import SECONDS_PER_HOUR
from gensim_graph.variables import Variable


def describe(model: StepModel) -> str:
    """Return the lines that say what a model forecasts, what it needs, and where it comes from."""
    table, information = model.normaliser.table, model.information
    network = model.operator.config.network
    calibrated = f", calibrated: {information['calibrated']}" if "calibrated" in information else ""
    kind = "deterministic twin, one member" if model.deterministic else "generative, any number of members"
    rows = {
        "name": f"{model.name}, {kind}",
        "forecasts": _listed(model, table.state),
        "needs": f"{_listed(model, (*table.forcing, *table.slow))} at every step",
        "step": f"{model.lead_time.astype(float) / SECONDS_PER_HOUR:g} h",
        "sampler": _sampler(model),
        "network": f"{network}, {model.operator.n_parameters:,} weights, hash {model_hash(model)}",
        "trained on": shorten(str(information.get("trained_on", "not recorded")), 100, placeholder=" ..."),
        "training": f"{information.get('steps', 'unknown')} steps of {information.get('batch', 'unknown')} samples"
        + calibrated,
        "hemisphere": _hemisphere(model),
        "computes on": f"{model.device} in {model.precision}",
    }

    return "\n".join(f"{key + ':':<13}{text}" for key, text in rows.items())


def _listed(model: StepModel, variables: tuple[Variable, ...]) -> str:
    present = [one for one in variables if one.name in model.normaliser.statistics.values]
    return ", ".join(f"{one.name} ({one.units})" for one in present) or "nothing"


def _sampler(model: StepModel) -> str:
    if model.deterministic:
        return "none, one evaluation of the network in each step"
    sampler = model.sampler
    if sampler.evaluations == 1:
        return "none, one evaluation of the network leads from the noise to the next state"
    return f"{sampler.steps} steps of {sampler.method}, {sampler.evaluations} evaluations in each step of the forecast"


def _hemisphere(model: StepModel) -> str:
    trained = model.information.get("hemisphere", "not recorded")
    return f"{trained}; mirror image on meshes of the other one: {model.mirror}"
