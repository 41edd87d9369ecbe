"""Lines of the log that warn of a forecast that leaves the range of its training data, one for each quantity."""

import logging

import numpy as np

from gensim_graph.io import face_coordinates
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate.guard.extrapolated_growth import STEPS_AHEAD
from gensim_graph.surrogate.guard.guard_fields import GUARD_PREFIX
from gensim_graph.surrogate.guard.guarded_quantities import GuardedQuantity
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

log = logging.getLogger(__name__)

BEYOND_RANGE = 1.2
"""Position from which on a value is far from the training data."""

RUNAWAY = 1.5
"""Position that an extrapolation must not reach."""


_STATE_ADVICE = (
    "Do not trust the forecast from here on: end it earlier, check the initial state and the forcing, or train on data "
    "with such states"
)
_FORCING_ADVICE = "Check the forcing and its units, or train on data with such forcing"


class GuardWarnings:
    """Warns once for each quantity.

    Args:
        mesh: of the forecast.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._warned: set[str] = set()

    def check(
        self,
        quantities: list[GuardedQuantity],
        position: Array,
        cell: Array,
        time: np.datetime64,
        members: range | None = None,
        ahead: Array | None = None,
    ) -> None:
        """Warn of quantities that are far out of their range, or that will soon be.

        Args:
            quantities: that are compared.
            position: (member, quantity, 2) positions.
            cell: (member, quantity, 2) their cells.
            time: valid time.
            members: numbers of the members; None for forcing that all members share.
            ahead: (member, quantity, 2) extrapolated positions; None for forcing.
        """
        alarming = position > BEYOND_RANGE
        if ahead is not None:
            alarming |= ahead > RUNAWAY

        for number in np.flatnonzero(alarming.any(axis=(0, 2))).tolist():
            one = quantities[number]
            if one.name in self._warned:
                continue
            self._warned.add(one.name)

            worst = np.where(alarming[:, number], position[:, number], -np.inf)
            member, side = np.unravel_index(int(worst.argmax()), worst.shape)
            place = self._place(int(cell[member, number, side]))
            who = "" if members is None else f" in member {members[int(member)]}"
            here = f"{place}{who} on {np.datetime_as_string(time, 'm')}"
            soon = None if ahead is None else float(ahead[member, number, side])
            _warn(one, float(position[member, number, side]), soon, bool(side == 0), here)

    def _place(self, cell: int) -> str:
        """Longitude and latitude of a cell; on an idealised plane its coordinates."""
        places = face_coordinates(self._mesh)
        if places:
            lon, lat = (float(places[name].values[cell]) for name in ("lon", "lat"))
            return f"at {lat:.2f}° N {lon:.2f}° E"

        x, y = self._mesh.centres[cell] * KM_PER_METRE
        return f"at x {x:.0f} km, y {y:.0f} km"


def _warn(quantity: GuardedQuantity, position: float, ahead: float | None, is_above: bool, here: str) -> None:
    """Log what is out of its range, where, and what to do.

    Args:
        quantity: the quantity.
        position: its position.
        ahead: its extrapolated position; None for forcing.
        is_above: True for values above the range.
        here: place, member and time.
    """
    bound, limit = ("largest", quantity.largest) if is_above else ("smallest", quantity.smallest)
    now = _number(quantity, quantity.value(position, is_above))
    growth = ""
    if position <= BEYOND_RANGE and ahead is not None:
        later = _number(quantity, quantity.value(ahead, is_above))
        growth = f" At the rate of the last days it will be {later} in {STEPS_AHEAD} steps."

    log.warning(
        "guard: %s (%s) is %s %s; the %s value of the training data is %s.%s %s. See %s%s in the forecast",
        quantity.name, quantity.words, now, here, bound, _number(quantity, limit), growth,
        _FORCING_ADVICE if ahead is None else _STATE_ADVICE, GUARD_PREFIX, quantity.name,
    )  # fmt: skip


def _number(quantity: GuardedQuantity, value: float) -> str:
    return f"{value:.3g}" if quantity.units == "1" else f"{value:.3g} {quantity.units}"
