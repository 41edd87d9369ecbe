r"""Sensitivity of a forecast: derivatives of its value in one cell by the initial state and the forcing in all cells.

.. math:: S_k(x) = \sigma_k \, \frac{\partial y(x_0)}{\partial f_k(x)}

is the effect on y at x_0, in the units of y, of a change of input k by one standard deviation sigma_k in cell x alone.
The factor sigma_k makes maps of different inputs comparable. The derivative is computed by reverse differentiation
through one step: through the single evaluation of a deterministic model, otherwise through all evaluations of the
sampler, along the path that starts at the mean of the noise, zero. Cells differ in area; divide S by the area of x for
a map that does not depend on the spacing of the mesh.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gensim_graph.errors import InputError
from gensim_graph.evaluate.pictures import colour_bar, face_map, map_grid, pretty_units, styled, wrapped
from gensim_graph.flow import sample
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array, Tensor
from gensim_graph.units import KM_PER_METRE
from gensim_graph.variables import Variable

NEXT = "_next"
"""Ending of the names of the forcing at the end of the step."""

_LETTERS = 34  # of a line of a title


def sensitivity(
    model: Surrogate,
    initial: xr.Dataset,
    forcing: xr.Dataset,
    variable: str,
    point: tuple[float, float],
    *,
    sampler_steps: int | None = None,
    mesh: Mesh | None = None,
) -> xr.Dataset:
    """Compute the sensitivity of one variable in the cell at a point, one step ahead.

    Args:
        model: the surrogate.
        initial: state at one time.
        forcing: forcing at that time and one step later.
        variable: state variable of the forecast.
        point: x and y in the plane of the mesh, m; the cell with the nearest centre is taken.
        sampler_steps: by default those of the model; fewer steps are faster and need less memory.
        mesh: mesh of ``initial``, to save reading it from the dataset.

    Returns:
        (face) for every input with which the model was trained: state variables, forcing, and forcing at the end of
        the step (``uas_next``), in units of ``variable``; ``long_name`` of each is its meaning. Attributes: variable,
        its long_name and units, face (number of the cell), value (of the forecast there) and centre (of the cell, m).

    Raises:
        InputError: the model has no such state variable, or what :meth:`~gensim_graph.Surrogate.rollout` raises.
    """
    mesh = mesh or mesh_from_dataset(initial)
    table, statistics = model.normaliser.table, model.normaliser.statistics
    names = [v.name for v in table.state]

    if variable not in names or variable not in statistics.values:
        raise InputError(f"sensitivity: no state variable '{variable}' in the model; it has {', '.join(names)}")

    inputs, slow = _inputs_of_step(model, initial, forcing, mesh)
    after = mean_step(model, inputs[0], inputs[1], inputs[2], slow, mesh, sampler_steps)

    face = int(np.linalg.norm(mesh.centres - point, axis=1).argmin())
    value = after[0, face, names.index(variable)]
    gradients = torch.autograd.grad(value, inputs)

    maps = _maps(model, table.state, gradients[0])
    maps |= _maps(model, table.forcing, gradients[1])
    maps |= _maps(model, table.forcing, gradients[2], NEXT)
    attributes = {"variable": variable, "units": table[variable].units, "face": face, "value": float(value.detach())}
    attributes["long_name"] = table[variable].long_name or variable

    return xr.Dataset(maps, attrs=attributes | {"centre": mesh.centres[face].tolist()})


def _inputs_of_step(
    model: Surrogate, initial: xr.Dataset, forcing: xr.Dataset, mesh: Mesh
) -> tuple[list[Tensor], Tensor]:
    """State, forcing and next forcing, (1, F, channel) with gradients, and the slow inputs without."""
    state = model.first_state(initial)
    start = np.atleast_1d(initial["time"].values)[0]
    drivers = model.drivers(forcing, mesh, [start], 1)
    if drivers.n_members > 1:
        raise InputError(
            f"sensitivity: expected one weather, came forcing with {drivers.n_members} members; choose one, such as "
            "forcing.isel(member=0)"
        )
    now, then = drivers.at(start), drivers.at(start + model.lead_time)

    values = (state, torch.from_numpy(now.forcing), torch.from_numpy(then.forcing))
    inputs = [part[None].clone().requires_grad_() for part in values]

    return inputs, torch.from_numpy(now.slow)[None]


def _maps(
    model: Surrogate, variables: Sequence[Variable], gradient: Tensor, ending: str = ""
) -> dict[str, tuple[str, Array, dict[str, str]]]:
    """Gradient (1, F, channel) times the standard deviation of each input: name -> map with its meaning."""
    statistics = model.normaliser.statistics
    _, deviation = statistics.of_values(variables)
    later = ", at the end of the step" if ending else ""

    return {
        variable.name + ending: (
            "face",
            gradient[0, :, column].double().numpy() * deviation[column],
            {"long_name": (variable.long_name or variable.name) + later},
        )
        for column, variable in enumerate(variables)
        if variable.name in statistics.values
    }


def mean_step(
    model: Surrogate,
    state: Tensor,
    forcing: Tensor,
    next_forcing: Tensor,
    slow: Tensor,
    mesh: Mesh,
    sampler_steps: int | None = None,
) -> Tensor:
    """Compute one step from the mean of the noise, differentiable by its inputs.

    Args:
        model: the surrogate.
        state: (1, F, state) at t, in the units of the variable table; so are all inputs.
        forcing: (1, F, forcing) at t.
        next_forcing: (1, F, forcing) at t + lead.
        slow: (1, F, slow) at t.
        mesh: the mesh.
        sampler_steps: by default those of the model.

    Returns:
        (1, F, state) at t + lead, in the units of the variable table.
    """
    plan, normaliser = model.plan(mesh), model.normaliser
    state, *others = model.to_frame(plan, state, forcing, next_forcing, slow)
    prepared = model.operator.prepare(normaliser.conditions(state, *others), plan)
    base = model.base(plan, state, *others[:2])

    def velocity(noised: Tensor, flow_time: float) -> Tensor:
        return model.operator.velocity(noised, noised.new_full((len(noised),), flow_time), prepared)

    if model.deterministic:
        return model.from_frame(plan, base.next_state(velocity(torch.zeros_like(state), 0.0)))

    sampler = model.sampler if sampler_steps is None else replace(model.sampler, steps=sampler_steps)
    residual = sample(velocity, torch.zeros_like(state), sampler, base.bounds)

    return model.from_frame(plan, base.next_state(residual))


@styled
def sensitivity_figure(found: xr.Dataset, mesh: Mesh, inputs: list[str] | None = None, window: float = 1.0) -> Figure:
    """Draw maps of a sensitivity around its cell.

    Args:
        found: result of :func:`sensitivity`.
        mesh: the mesh.
        inputs: names of the inputs to draw; by default the six with the largest sensitivities.
        window: share of the width of the domain that is shown, around the cell.
    """
    largest = sorted(map(str, found.data_vars), key=lambda name: -float(np.abs(found[name]).max()))
    names = inputs or largest[:6]
    columns = min(3, len(names))
    figure, axes = map_grid(mesh, -(-len(names) // columns), columns, between=0.55)

    x, y = KM_PER_METRE * np.asarray(found.attrs["centre"])
    half = 0.5 * KM_PER_METRE * window * float(np.ptp(mesh.nodes, axis=0).max())
    top = max(float(np.abs(found[name]).max()) for name in names) or 1.0
    scale = Normalize(-1.0, 1.0)

    for ax, name in zip(axes.ravel(), names, strict=False):
        title = wrapped(str(found[name].attrs.get("long_name", name)), _LETTERS)
        image = face_map(ax, mesh, found[name].values / top, cmap="RdBu_r", norm=scale, title=title)
        ax.plot(x, y, marker="o", markerfacecolor="none", markeredgecolor="black", markersize=7)
        if window < 1:
            ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half))

    for ax in axes.ravel()[len(names) :]:
        ax.set_axis_off()

    units = f"{top:.2g} {pretty_units(found.attrs['units'])}".rstrip()
    meaning = found.attrs.get("long_name", found.attrs["variable"])
    text = f"change of {meaning} in the circle, in {units}, by one standard deviation"
    colour_bar(figure, image, axes, text, scale, [np.zeros(1)])

    return figure
