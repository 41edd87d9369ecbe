"""Facts about a forecast at the top of the page: starts, lead times, members, variables, truth and mesh."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gensim_graph.evaluate.pictures import pretty_units
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable


def forecast_facts(matched: Verification, mesh: Mesh) -> dict[str, str]:
    """Describe a forecast and its truth: label -> text.

    Args:
        matched: the forecast beside the truth.
        mesh: their mesh.
    """
    starts = [np.datetime_as_string(start, unit="m").replace("T", " ") for start in np.unique(matched.start_times)]
    hours = [f"{lead:g}" for lead in matched.lead_hours]
    spacing = np.median(mesh.spacing) * KM_PER_METRE

    return {
        "Starts": f"{matched.starts}: {_shortened(starts)}",
        "Lead times": f"{_shortened(hours)} h",
        "Members": str(matched.members),
        **_evaluations(matched),
        "Variables": "; ".join(_variable_text(variable) for variable in matched.variables),
        "Truth": _truth_name(matched),
        "Mesh": f"{mesh.n_faces:,} faces, median spacing {spacing:.3g} km, {_plane(mesh)}, hash {mesh.hash[:12]}",
    }


def _evaluations(matched: Verification) -> dict[str, str]:
    """Evaluations of the network in a step of the forecast; nothing if the forecast does not say."""
    count = matched.forecast.attrs.get("model_evaluations")
    return {} if count is None else {"Network": f"{count} evaluation{'s' if count != 1 else ''} in each step"}


def _variable_text(variable: Variable) -> str:
    """Name, meaning and units of a variable."""
    details = [text for text in (variable.long_name, pretty_units(variable.units)) if text]
    return f"{variable.name} ({', '.join(details)})" if details else variable.name


def _truth_name(matched: Verification) -> str:
    """Title or source of the truth, or else the name of its file."""
    attributes = matched.truth.attrs
    file_name = Path(str(attributes.get("origin", "not named"))).name
    return str(attributes.get("title") or attributes.get("source") or file_name)


def _shortened(texts: Sequence[str], most: int = 8) -> str:
    """Join texts; of a long list the first ones and the last one."""
    if len(texts) <= most:
        return ", ".join(texts)

    return ", ".join([*texts[: most - 2], "...", texts[-1]])


def _plane(mesh: Mesh) -> str:
    """Name of the plane; models seldom name it, then the name of its projection."""
    if mesh.crs is None:
        return "idealised plane"

    operation = mesh.crs.coordinate_operation
    unnamed = mesh.crs.name in ("undefined", "unknown")

    return str(operation.method_name if unnamed and operation else mesh.crs.name)
