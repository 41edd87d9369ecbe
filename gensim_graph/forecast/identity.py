"""Whether a store holds the forecast that is asked for: then it is gone on with, else it is left alone."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.request import Request, Starts
from gensim_graph.surrogate import Surrogate

Identity = dict[str, int | str]
"""What makes a forecast this one and no other, in words; everything but its length."""


def identify(model: Surrogate, starts: Starts, forcing: Forcing, request: Request) -> Identity:
    """The identity of a forecast. Of the forcing, the first record; later ones as the forecast comes to them."""
    return {
        "model": _model_digest(model),
        "precision": model.precision,
        "mesh": starts.mesh.hash[:16],
        "start": ", ".join(np.datetime_as_string(starts.times, "m")) + (" (several)" if starts.several else ""),
        "initial state": hashlib.sha256(starts.states.numpy().tobytes()).hexdigest()[:16],
        "forcing": forcing.at(starts.times[0]).digest[:16],
        "members": 1 if model.deterministic else request.members,
        "seed": request.seed,
        "every": request.every,
        "variables": ", ".join(variable.name for _, variable in request.written(model)),
    }


def check_same(target: Path, there: Identity, asked: Identity) -> None:
    """Refuse to go on with another forecast.

    Raises:
        InputError: says in what they differ.
    """
    differing = [name for name in asked if there.get(name) != asked[name]]
    if not differing:
        return

    words = [
        f"another {name}"
        if name in ("model", "mesh", "initial state", "forcing")
        else f"{name} {there.get(name)}, not {asked[name]}"
        for name in differing
    ]
    raise InputError(
        f"{target}: holds a forecast with {'; '.join(words)}; give it the arguments it began with to go on, "
        "remove it, or choose another path with --out"
    )


def _model_digest(model: Surrogate) -> str:
    """Of weights, statistics and sampler."""
    found = hashlib.sha256()
    for name, value in sorted(model.operator.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())

    parts = [
        asdict(model.operator.config),
        model.normaliser.table.to_dict(),
        model.normaliser.statistics.to_dict(),
        asdict(model.sampler),
        model.deterministic,
    ]
    found.update(json.dumps(parts, sort_keys=True).encode())

    return found.hexdigest()[:16]
