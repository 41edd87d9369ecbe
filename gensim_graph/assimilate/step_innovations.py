"""Innovations of one step: observations beside what forecast and analysis say of them."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.assimilate.observation_operator import ObservationOperator
from gensim_graph.surrogate import StepTimes
from gensim_graph.typing import Float, Tensor


class StepInnovations(NamedTuple):
    """Observations of a step, and what they should have been by the members.

    Attributes:
        times: of the step.
        operator: of the observations that were used.
        forecast: before they were used; with a guide, the forecast of each member without noise.
        analysis: after it.
    """

    times: StepTimes
    operator: ObservationOperator
    forecast: Float[Tensor, "member obs"]
    analysis: Float[Tensor, "member obs"]

    def to_dataset(self, first_member: int = 0) -> xr.Dataset:
        """Return the innovations as a dataset (member, obs).

        Args:
            first_member: number of the first member.
        """
        operator = self.operator.to("cpu")
        names = np.array(operator.names, dtype=object)[operator.variable.numpy()]
        position = operator.position.numpy()
        columns = {
            "variable": ("obs", names.astype(str), {"long_name": "observed variable"}),
            "x": ("obs", position[:, 0], {"units": "m"}),
            "y": ("obs", position[:, 1], {"units": "m"}),
            "value": ("obs", operator.value.numpy(), {"long_name": "observed value"}),
            "error": ("obs", operator.error.numpy(), {"long_name": "standard deviation of its error"}),
            "forecast": (
                ("member", "obs"),
                self.forecast.cpu().numpy(),
                {"long_name": "observed value by the forecast"},
            ),
            "analysis": (
                ("member", "obs"),
                self.analysis.cpu().numpy(),
                {"long_name": "observed value by the analysis"},
            ),
        }
        members = first_member + np.arange(len(self.forecast))
        coordinates = {"member": members, "valid_time": self.times.end.astype("datetime64[ns]")}
        used = {"observations": str(self.operator.report)}

        return xr.Dataset(columns, coordinates, used)
