r"""Free runs of a model in windows of a trajectory: the errors of its tendencies, and what its last layer saw.

A network with one evaluation in a step ends with a linear map, :math:`x = W h(s, z) + b`, and the residual is x. In a
cell where the new value v is not at a bound, a change of the weights of one variable by :math:`\delta` changes v by
:math:`\delta \cdot f`, with :math:`f = \sigma\, (h, 1)` and the deviation :math:`\sigma` of the residual of that
variable. Its tendency should change by the error

.. math:: e = (y_{k+1} - y_k) - (v_{k+1} - v_k)

of the step, in which y is the truth. Single cells are mostly error of the weather: means over groups of 64 cells that
lie together are kept. Each step is made twice from the same state, with different noise z; the run goes on with the
first. The two share nothing but what the state decides, so products of f of the one with f and e of the other have no
part that the noise has made. Least squares with one of them would find that less noise means less error.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from gensim_graph.graph import TOKEN_CELLS
from gensim_graph.io import mesh_from_dataset
from gensim_graph.nn import SpinLinear, VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Float, Tensor

_GROUP = TOKEN_CELLS**3
_TRAJECTORIES = 100_000
"""Distance of the seeds of two trajectories: more than a trajectory has records."""


class TendencyErrors(NamedTuple):
    """One step of a free run, made twice: means over groups of cells.

    Attributes:
        change: f, the change of the new value for a change of each weight of the last layer by one; the bias comes
            last.
        error: e, of the tendency.
        noise: mean over the cells of half the squared difference of f between the two: its variance by the noise.
        share: of the area of the mesh in each group.
    """

    change: Float[Tensor, "two variable group feature"]
    error: Float[Tensor, "two variable group"]
    noise: Float[Tensor, "variable feature feature"]
    share: Float[Tensor, " group"]


class FreeWindows:
    """Free runs of a model through a trajectory, in windows of which each begins in the middle of the one before.

    Args:
        model: with one evaluation of the network in a step.
        data: one trajectory.
        channels: of the state variables that are looked at.
        window: length of a window; a shorter trajectory is one window.
        number: of the trajectory, for the noise.
    """

    def __init__(
        self,
        model: Surrogate,
        data: xr.Dataset,
        channels: Sequence[int],
        window: np.timedelta64,
        number: int = 0,
    ) -> None:
        self._mesh = mesh_from_dataset(data)
        times = data["time"].values
        forcing = model.drivers(data, self._mesh, times[:1], 0)
        self._model, self._forcing, self._data = model.driven_by(forcing), forcing, data
        self._channels, self._number = list(channels), number
        self._windows = [
            (first, steps) for first in _starts(times, window) if (steps := self._steps(times, first, window))
        ]

    def __len__(self) -> int:
        """Number of steps of all windows."""
        return sum(steps for _, steps in self._windows)

    def __iter__(self) -> Iterator[TendencyErrors]:
        """Run freely, and yield every step."""
        model, plan, layer = self._model, self._model.plan(self._mesh), _last_layer(self._model)
        group, times = plan.graph.slot // _GROUP, self._data["time"].values
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))

        try:
            for first, steps in self._windows:
                truth = self._truth(times[first])
                state, seed = truth, first + _TRAJECTORIES * self._number
                for step in range(steps):
                    time = times[first] + step * model.lead_time
                    twice = state.expand(2, -1, -1)
                    new = model.advance(twice, self._forcing, time, step, range(2), seed, plan)
                    then = self._truth(time + model.lead_time)
                    yield self._errors(seen.pop(), then - truth, new - state, new, plan.graph.area, group)
                    state, truth = new[0], then
        finally:
            hook.remove()

    def _steps(self, times: np.ndarray, first: int, window: np.timedelta64) -> int:
        """Number of steps of a window: as far as the data have a record at the end of each."""
        lead = self._model.lead_time
        ends = times[first] + lead * np.arange(1, int(window / lead) + 1)
        is_known = np.isin(ends, times)
        return len(ends) if is_known.all() else int(is_known.argmin())

    def _truth(self, time: np.datetime64) -> Float[Tensor, "face state"]:
        return self._model.first_state(self._data.sel(time=time)).to(self._model.device)

    def _errors(
        self, seen: Tensor, true_change: Tensor, change: Tensor, new: Tensor, area: Tensor, group: Tensor
    ) -> TendencyErrors:
        """Take the means of a step over groups of cells.

        Args:
            seen: (two, face, feature) what the last layer saw.
            true_change: (face, state) of the truth.
            change: (two, face, state) of the run.
            new: (two, face, state) after the step.
            area: (face,) of the cells.
            group: (face,) of each cell.
        """
        normaliser, columns = self._model.normaliser, self._channels
        scalars = seen[..., : _last_layer(self._model).spins_in.scalar].float()
        features = torch.cat([scalars, torch.ones_like(scalars[..., :1])], dim=-1)

        bounds, values = normaliser.bounds, new[..., columns]
        is_free = (values > bounds.lower[columns]) & (values < bounds.upper[columns])
        scale = is_free * normaliser.residual_scale[columns]
        changes = torch.einsum("mfv,mfh->mvfh", scale, features)
        errors = (true_change - change)[..., columns].transpose(1, 2)

        share = area / area.sum()
        shares = share.new_zeros(int(group.max()) + 1).index_add(0, group, share)
        difference = changes[1] - changes[0]
        noise = 0.5 * torch.einsum("vfh,vfg,f->vhg", difference, difference, share)
        means = (_means(one, share, group, shares) for one in (changes, errors))
        return TendencyErrors(*(one.double().cpu() for one in (*means, noise, shares)))


def _last_layer(model: Surrogate) -> SpinLinear:
    assert isinstance(model.operator, VelocityOperator)
    return model.operator.project


def _starts(times: np.ndarray, window: np.timedelta64) -> list[int]:
    """Records at which the windows of a trajectory begin; the first window may be longer than the trajectory."""
    begins = np.arange(times[0], times[-1] - window + np.timedelta64(1, "ns"), window // 2)
    return np.unique([0, *np.searchsorted(times, begins[1:])]).tolist()


def _means(values: Tensor, share: Tensor, group: Tensor, shares: Tensor) -> Tensor:
    """Means over the cells (the third dimension) of each group, weighted by area."""
    rest = [1] * (values.dim() - 3)
    total = values.new_zeros(*values.shape[:2], len(shares), *values.shape[3:])
    return total.index_add(2, group, values * share.reshape(-1, *rest)) / shares.reshape(-1, *rest)
