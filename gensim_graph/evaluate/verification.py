"""One forecast and the truth side by side: same cells, same valid times, same variables.

Scores, deformation statistics and the report all read their fields from a :class:`Verification`, one variable at one
valid time per call. A long forecast is therefore never in memory as a whole, and a value that is not finite is reported
in one place with one message. :mod:`~gensim_graph.evaluate.matching` builds verifications and checks the input.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable


@dataclass(frozen=True)
class Verification:
    """A forecast and the truth with which it is compared.

    Build it with :func:`~gensim_graph.evaluate.match`, which checks that the two fit together.

    Attributes:
        forecast: dims (start, member, lead_time, face); also a forecast with one start and one member has all four.
        truth: dims (time, face), or (time, node) for velocities.
        variables: state variables that both have, in the order of the variable table.
        valid_times: (start, lead_time) datetime64.
        areas: (face,) m2.
        mesh: None if neither dataset contains its mesh.
    """

    forecast: xr.Dataset
    truth: xr.Dataset
    variables: tuple[Variable, ...]
    valid_times: Array
    areas: Array
    mesh: Mesh | None

    @property
    def weights(self) -> Array:
        """Share of each face in the total area, (face,)."""
        return self.areas / self.areas.sum()

    @property
    def lead_hours(self) -> Array:
        """Lead times in hours, (lead_time,)."""
        return self.forecast["lead_time"].values / np.timedelta64(1, "h")

    @property
    def starts(self) -> int:
        """Number of starts."""
        return self.forecast.sizes["start"]

    @property
    def members(self) -> int:
        """Number of members of the ensemble."""
        return self.forecast.sizes["member"]

    @property
    def start_times(self) -> Array:
        """Times at which the forecasts start, (start,) datetime64."""
        return self.valid_times[:, 0] - self.forecast["lead_time"].values[0]

    @property
    def has_start(self) -> bool:
        """True if the truth contains the times at which the forecasts start."""
        return bool(np.isin(self.start_times, self.truth["time"].values).all())

    def has(self, *names: str) -> bool:
        """Return True if forecast and truth have all these state variables."""
        return set(names) <= {variable.name for variable in self.variables}

    def pair(self, name: str, start: int, lead: int) -> tuple[Array, Array]:
        """Return forecast (member, face) and truth (face,) of one variable at one valid time, in its units.

        Args:
            name: state variable.
            start: number of the start.
            lead: number of the lead time.

        Raises:
            InputError: a value is not finite.
        """
        return self.ensemble_at(name, start, lead), self.truth_at(name, start, lead)

    def ensemble_at(self, name: str, start: int, lead: int) -> Array:
        """Return the forecast (member, face) of one variable at one valid time, in its units.

        Args:
            name: state variable.
            start: number of the start.
            lead: number of the lead time.

        Raises:
            InputError: a value is not finite.
        """
        ensemble = self.forecast[name].isel(start=start, lead_time=lead)
        return self.on_faces(ensemble, "forecast", f"at lead {self.lead_hours[lead]:g} h")

    def truth_at(self, name: str, start: int, lead: int) -> Array:
        """Return the truth (face,) of one variable at one valid time, in its units.

        Args:
            name: state variable.
            start: number of the start.
            lead: number of the lead time.

        Raises:
            InputError: a value is not finite.
        """
        return self.truth_at_time(name, self.valid_times[start, lead])

    def initial(self, name: str, start: int) -> Array:
        """Return the truth (face,) of one variable at a start; this requires :attr:`has_start`.

        Args:
            name: state variable.
            start: number of the start.

        Raises:
            InputError: a value is not finite.
        """
        return self.truth_at_time(name, self.start_times[start])

    def truth_at_time(self, name: str, time: np.datetime64) -> Array:
        """Return the truth (face,) of one variable at a time that the truth contains, in its units.

        Args:
            name: state variable.
            time: the time.

        Raises:
            InputError: a value is not finite.
        """
        return self.on_faces(self.truth[name].sel(time=time), "truth", f"at {time}")

    def on_faces(self, field: xr.DataArray, source: str, moment: str = "") -> Array:
        """Return the values of a field on the faces; values at nodes are averaged to the faces.

        Args:
            field: dims ([member], ..., face or node).
            source: name of the dataset, for the error message.
            moment: time of the field in words, for the error message.

        Returns:
            ([member], ..., face) in the units of the field.

        Raises:
            InputError: a value is not finite.
        """
        first = ["member"] if "member" in field.dims else []
        values = field.transpose(*first, ...).values

        if "node" in field.dims and self.mesh is not None:
            values = self.mesh.to_faces(values)

        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            raise InputError(
                f"{source}: '{field.name}' has {bad} of {values.size} values that are not finite {moment}; every face "
                "of the mesh must have a value, leave land out of the mesh instead of marking it with NaN"
            )

        return np.asarray(values)
