"""Identity of a forecast: only the same forecast is continued in an existing store; any other is left alone."""

import hashlib
from collections.abc import Sequence
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
        "members": models.count_members(
            request.members, max(starts.states.shape[1], *(one.n_members for one in forcings))
        ),
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


class ObservedIdentity:
    """Identity of a forecast whose steps observations act on: when it goes on, there may be later ones.

    Args:
        free: identity without observations.
        observed: the observations; None for a free forecast.
        begin: last initial time.
        lead_time: of a step.
    """

    def __init__(
        self, free: Identity, observed: ObservedSteps | None, begin: np.datetime64, lead_time: np.timedelta64
    ) -> None:
        self._free, self._observed, self._begin, self._lead_time = free, observed, begin, lead_time
        self._known: dict[int, Identity] = {}  # a process that waits for a store asks ten times a second

    def after(self, steps: int) -> Identity:
        """Return the identity of a number of steps.

        Args:
            steps: of the forecast.
        """
        if self._observed is None:
            return self._free
        if steps not in self._known:
            seen = self._observed.identity_until(self._begin + steps * self._lead_time)
            self._known[steps] = self._free | {"observations": seen}
        return self._known[steps]

    def of_store(self, existing: Identity, steps: int) -> Identity:
        """Return the identity that a store with these observations must have, in the form in which it was written.

        Args:
            existing: identity in the store.
            steps: of the forecast in the store.
        """
        asked = self.after(steps)
        if self._observed is None or existing.get("observations") == asked["observations"]:
            return asked
        everything = self._observed.identity  # so stores of version 0.1 are identified
        return asked | ({"observations": everything} if existing.get("observations") == everything else {})


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

    words = [_difference(name, existing.get(name, "no"), requested.get(name, "no")) for name in differing]
    raise InputError(
        f"{target}: holds a forecast with {'; '.join(words)}; give it the arguments it began with to go on, "
        "remove it, or choose another path with --out"
    )


def _difference(name: str, kept: int | str, asked: int | str) -> str:
    """Say in what a forecast differs; digests say nothing to a reader."""
    if name in ("model", "mesh", "initial state", "forcing"):
        return f"another {name}"
    if name == "observations" and str(kept).partition(" ")[2] == str(asked).partition(" ")[2] != "":
        return "other observations of the times that it has passed"
    return f"{name} {kept}, not {asked}"
