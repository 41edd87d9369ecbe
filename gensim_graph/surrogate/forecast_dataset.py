"""Layout of a forecast as xarray datasets: one step, and whole forecasts from one or several initial times."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from gensim_graph.io import face_coordinates, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import Variable


def step_dataset(
    state: Float[Tensor, "member face state"],
    variables: Iterable[tuple[int, Variable]],
    start: np.datetime64,
    lead: np.timedelta64,
) -> xr.Dataset:
    """Return the states of all members after one step as a dataset (member, face).

    Args:
        state: on the CPU, in the units of the variable table.
        variables: channel of the state and variable, for all variables of the forecast.
        start: initial time of the forecast.
        lead: time since ``start``.
    """
    lead = lead.astype("timedelta64[ns]")
    fields = {
        variable.name: (("member", "face"), state[..., channel].numpy(), variable.attrs)
        for channel, variable in variables
    }
    coords = {"member": np.arange(len(state)), "lead_time": lead, "valid_time": start + lead, "initial_time": start}

    return xr.Dataset(fields, coords=coords)


def join_steps(steps: Iterable[xr.Dataset]) -> xr.Dataset:
    """Join the steps of one forecast along ``lead_time``."""
    return xr.concat(list(steps), "lead_time", coords="different", compat="equals")


def join_starts(forecasts: list[xr.Dataset], times: Array) -> xr.Dataset:
    """Join forecasts from several initial times along ``start``.

    Args:
        forecasts: one for each time, with the same lead times.
        times: (start,) initial times.
    """
    joined = xr.concat(forecasts, "start", coords="different", compat="equals")
    valid = times[:, None] + joined["lead_time"].values
    return joined.assign_coords(initial_time=("start", times), valid_time=(("start", "lead_time"), valid))


def with_mesh(forecast: xr.Dataset, mesh: Mesh) -> xr.Dataset:
    """Return the forecast with its mesh and the coordinates of the faces, dimensions in their usual order.

    Args:
        forecast: dimensions member, lead_time, face and perhaps start.
        mesh: mesh of the forecast.
    """
    ordered = forecast.transpose("start", "member", "lead_time", "face", ..., missing_dims="ignore")
    return topology_with_places(mesh).merge(ordered)


def topology_with_places(mesh: Mesh) -> xr.Dataset:
    """Return the topology of a mesh with longitude and latitude of its faces as coordinates, where it has a crs."""
    topology = mesh_to_dataset(mesh)
    places = face_coordinates(mesh)
    if places:
        topology["mesh"].attrs["face_coordinates"] = " ".join(places)

    return topology.assign_coords(places)
