"""Identity of a forecast: only the same forecast is continued in an existing store; any other is left alone."""

import hashlib
from pathlib import Path

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.starts import Starts
from gensim_graph.surrogate import ObservedSteps, Surrogate, model_hash

Identity = dict[str, int | str]
"""Everything but the length that distinguishes a forecast from others: name -> number, text or digest."""


def identify(
    model: Surrogate, starts: Starts, forcing: Forcing, request: Request, observed: ObservedSteps | None = None
) -> Identity:
    """Compute the identity of a forecast.

    It includes the first record of the forcing; later records are compared when the forecast reaches them.

    Args:
        model: the surrogate.
        starts: initial states.
        forcing: forcing of the forecast.
        request: what the user asks for.
        observed: observations that act on the steps.
    """
    identity: Identity = {
        "model": model_hash(model),
        "precision": model.precision,
        "mesh": starts.mesh.hash[:16],
        "start": ", ".join(np.datetime_as_string(starts.times, "m")) + (" (several)" if starts.has_dimension else ""),
        "initial state": hashlib.sha256(starts.states.numpy().tobytes()).hexdigest()[:16],
        "forcing": forcing.at(starts.times[0]).digest[:16],
        "members": starts.count_members(request.members, model),
        "seed": request.seed,
        "every": request.every,
        "variables": ", ".join(variable.name for _, variable in request.written_variables(model)),
    }
    if model.is_mirrored_on(starts.mesh):  # a key only where it applies: older forecasts of other meshes go on
        identity["mirror image"] = "yes"
    if model.normaliser.statistics.ranges and not request.guard:
        identity["without guard"] = "yes"
    if model.conserve != "auto":
        identity["conserve"] = model.conserve
    if observed is not None:
        identity["observations"] = observed.identity

    return identity


def check_same(target: Path, existing: Identity, requested: Identity) -> None:
    """Check that the forecast in a store is the one that is asked for.

    Args:
        target: the store.
        existing: identity of the forecast in the store.
        requested: identity of the forecast that is asked for.

    Raises:
        InputError: says in what they differ.
    """
    names = dict.fromkeys([*requested, *existing])
    differing = [name for name in names if existing.get(name) != requested.get(name)]
    if not differing:
        return

    words = [
        f"another {name}"
        if name in ("model", "mesh", "initial state", "forcing")
        else f"{name} {existing.get(name, 'no')}, not {requested.get(name, 'no')}"
        for name in differing
    ]
    raise InputError(
        f"{target}: holds a forecast with {'; '.join(words)}; give it the arguments it began with to go on, "
        "remove it, or choose another path with --out"
    )
