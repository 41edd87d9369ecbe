"""Identity of a forecast: only the same forecast is continued in an existing store; any other is left alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.request import Request
from gensim_graph.forecast.several_models import ModelSet, digest_of_drivers
from gensim_graph.forecast.starts import Starts
from gensim_graph.surrogate import ObservedSteps

Identity = dict[str, int | str]
"""Everything but the length that distinguishes a forecast from others: name -> number, text or digest."""


def identify(
    models: ModelSet,
    starts: Starts,
    forcings: Sequence[Forcing],
    request: Request,
) -> Identity:
    """Compute the identity of a forecast, but for observations.

    It includes the first record of the forcing; later records are compared when the forecast reaches them.

    Args:
        models: in the order of their members.
        starts: initial states.
        forcings: forcing of each model.
        request: what the user asks for.
    """
    identity: Identity = {
        "model": models.hash,
        "precision": models.first.precision,
        "mesh": starts.mesh.hash[:16],
        "start": ", ".join(np.datetime_as_string(starts.times, "m")) + (" (several)" if starts.has_dimension else ""),
        "initial state": hashlib.sha256(starts.states.numpy().tobytes()).hexdigest()[:16],
        "forcing": digest_of_drivers([one.at(starts.times[0]) for one in dict.fromkeys(forcings)])[:16],
        "members": models.count_members(request.members, starts.states.shape[1]),
        "seed": request.seed,
        "every": request.every,
        "variables": ", ".join(variable.name for _, variable in request.written_variables(models.first)),
    }
    mirrored = models.shared("yes" if one.is_mirrored_on(starts.mesh) else "no" for one in models.models)
    if mirrored != "no":  # a key only where it applies: older forecasts of other meshes go on
        identity["mirror image"] = mirrored
    if any(one.normaliser.statistics.ranges for one in models.models) and not request.guard:
        identity["without guard"] = "yes"
    conserving = models.shared(one.conserve for one in models.models)
    if conserving != "auto":
        identity["conserve"] = conserving

    return identity


@dataclass(frozen=True)
class ObservedIdentity:
    """Identity of a forecast whose steps observations act on: when it goes on, there may be later ones.

    Attributes:
        free: identity without observations.
        observed: the observations; None for a free forecast.
        begin: last initial time.
        lead_time: of a step.
    """

    free: Identity
    observed: ObservedSteps | None
    begin: np.datetime64
    lead_time: np.timedelta64

    def after(self, steps: int) -> Identity:
        """Return the identity of a number of steps.

        Args:
            steps: of the forecast.
        """
        if self.observed is None:
            return self.free
        return self.free | {"observations": self.observed.identity_until(self.begin + steps * self.lead_time)}

    def of_store(self, existing: Identity, steps: int) -> Identity:
        """Return the identity that a store with these observations must have, in the form in which it was written.

        Args:
            existing: identity in the store.
            steps: of the forecast in the store.
        """
        if self.observed is not None and existing.get("observations") == self.observed.identity:
            return self.free | {"observations": self.observed.identity}
        return self.after(steps)


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
