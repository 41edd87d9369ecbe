r"""What a forecast depends on: derivatives of one cell of it by the initial state and the forcing around.

.. math:: S_k(x) = \sigma_k \, \frac{\partial y(x_0)}{\partial f_k(x)}

by reverse differentiation through one step: for a deterministic model through its one evaluation, else through all of
the sampler, on the path that begins at the mean of the noise, zero. Times the standard deviation sigma_k of each input,
maps of different inputs can be compared: what a change of one standard deviation at x alone does to y at x_0, in the
units of y. Cells differ in area; a map for a mesh of any spacing is S over the area of x.
"""

from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gensim_graph.errors import InputError
from gensim_graph.evaluate.pictures import colour_bar, face_map, map_grid, styled
from gensim_graph.flow import sample
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array, Tensor

NEXT = "_next"
"""Ending of the forcing at the end of the step."""


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
    """Sensitivity of one variable in the cell at a point, one step ahead.

    Args:
        model: the surrogate.
        initial: state at one time.
        forcing: forcing at that time and one step later.
        variable: state variable of the forecast.
        point: x and y in the plane of the mesh, m; the nearest cell is taken.
        sampler_steps: fewer than the model's are faster, and need less memory.
        mesh: the mesh of ``initial``, if it is at hand.

    Returns:
        (face) for every input that the model was trained with: state variables, forcing, and forcing at the end of
        the step (``uas_next``), in units of ``variable``. Attributes: the face, its centre and value.

    Raises:
        InputError: no such state variable, or what :meth:`~gensim_graph.Surrogate.rollout` raises.
    """
    mesh = mesh or mesh_from_dataset(initial)
    table, statistics = model.normaliser.table, model.normaliser.statistics
    names = [v.name for v in table.state]

    if variable not in names or variable not in statistics.values:
        raise InputError(f"sensitivity: no state variable '{variable}' in the model; it has {', '.join(names)}")

    state = model.first_state(initial)
    start = np.atleast_1d(initial["time"].values)[0]
    drivers = model.drivers(forcing, mesh, [start], 1)
    now, then = drivers.at(start), drivers.at(start + model.lead_time)
    parts = {"": table.state, "now": table.forcing, NEXT: table.forcing}
    values = (state, torch.from_numpy(now.forcing), torch.from_numpy(then.forcing))
    inputs = [part[None].clone().requires_grad_() for part in values]
    slow = torch.from_numpy(now.slow)[None]
    face = int(np.linalg.norm(mesh.centres - point, axis=1).argmin())
    after = mean_step(model, inputs[0], inputs[1], inputs[2], slow, mesh, sampler_steps)
    value = after[0, face, names.index(variable)]
    found = torch.autograd.grad(value, inputs)
    maps: dict[str, tuple[str, Array]] = {}

    for (part, variables), gradient in zip(parts.items(), found, strict=True):
        _, deviation = statistics.of_values(variables)
        for column, each in enumerate(variables):
            if each.name in statistics.values:
                scaled = gradient[0, :, column].double().numpy() * deviation[column]
                maps[each.name + (NEXT if part == NEXT else "")] = ("face", scaled)

    attributes = {"variable": variable, "units": table[variable].units, "face": face, "value": float(value.detach())}
    return xr.Dataset(maps, attrs=attributes | {"centre": mesh.centres[face].tolist()})


def mean_step(
    model: Surrogate,
    state: Tensor,
    forcing: Tensor,
    next_forcing: Tensor,
    slow: Tensor,
    mesh: Mesh,
    sampler_steps: int | None = None,
) -> Tensor:
    """State (1, F, state) after one step from the mean of the noise, differentiable; physical units in and out."""
    plan, normaliser = model.plan(mesh), model.normaliser
    prepared = model.operator.prepare(normaliser.conditions(state, forcing, next_forcing, slow), plan)

    def velocity(noised: Tensor, flow_time: float) -> Tensor:
        return model.operator.velocity(noised, noised.new_full((len(noised),), flow_time), prepared)

    if model.deterministic:
        return normaliser.advance(state, velocity(torch.zeros_like(state), 0.0))

    sampler = model.sampler if sampler_steps is None else replace(model.sampler, steps=sampler_steps)
    residual = sample(velocity, torch.zeros_like(state), sampler, normaliser.residual_bounds(state))

    return normaliser.advance(state, residual)


@styled
def sensitivity_figure(found: xr.Dataset, mesh: Mesh, inputs: list[str] | None = None, window: float = 1.0) -> Figure:
    """Maps of a sensitivity around its cell.

    Args:
        found: what :func:`sensitivity` returns.
        mesh: the mesh.
        inputs: which maps; the six largest by default.
        window: share of the domain that is shown.
    """
    largest = sorted(map(str, found.data_vars), key=lambda name: -float(np.abs(found[name]).max()))
    names = inputs or largest[:6]
    columns = min(3, len(names))
    figure, axes = map_grid(mesh, -(-len(names) // columns), columns, between=0.34)
    x, y = 1e-3 * np.asarray(found.attrs["centre"])
    half = 0.5e-3 * window * float(np.ptp(mesh.nodes, axis=0).max())
    top = max(float(np.abs(found[name]).max()) for name in names) or 1.0
    scale = Normalize(-1.0, 1.0)

    for ax, name in zip(axes.ravel(), names, strict=False):
        image = face_map(ax, mesh, found[name].values / top, cmap="RdBu_r", norm=scale, title=name)
        ax.plot(x, y, marker="o", markerfacecolor="none", markeredgecolor="black", markersize=7)
        if window < 1:
            ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half))

    for ax in axes.ravel()[len(names) :]:
        ax.set_axis_off()

    units = f"{top:.2g} {found.attrs['units']}"
    text = f"change of {found.attrs['variable']} in the circle, in {units}, by one standard deviation"
    colour_bar(figure, image, axes, text, scale, [np.zeros(1)])

    return figure
