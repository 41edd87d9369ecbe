"""Simulated trajectories as a dataset: UGRID topology, CF attributes, dims (trajectory, time, face)."""

import json
from typing import Any

import numpy as np
import xarray as xr

from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.simulate.experiment import Experiment
from gensim_graph.simulate.storms import StormForcing
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

SIMULATION_MARK = "gensim-graph simulation"
"""How the attribute ``source`` of what we write begins."""

ON_FACES = ("sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas")
ON_NODES = ("siu_node", "siv_node")
START = np.datetime64("2000-01-01", "ns")


def variables_of(experiment: Experiment) -> tuple[str, ...]:
    """Names of the variables in time."""
    return (*ON_FACES, *ON_NODES, *(("tus",) if experiment.thermodynamics else ()))


def records_of(mesh: Mesh, experiment: Experiment, forcings: list[StormForcing], current: Array) -> xr.Dataset:
    """Everything but the variables in time: topology, coordinates, currents, attributes.

    Args:
        mesh: the mesh.
        experiment: what is simulated.
        forcings: of the members.
        current: m/s, of the ocean on the faces, (2, face, member).
    """
    steps = np.arange(experiment.records + 1) * np.timedelta64(round(experiment.interval * 1e9), "ns")
    frame = mesh_to_dataset(mesh).assign_coords(
        time=("time", START + steps, {"standard_name": "time"}),
        trajectory=("trajectory", np.arange(experiment.members), {"long_name": "number of the simulation"}),
    )

    for axis, name, values in zip("xy", ("uo", "vo"), current, strict=True):
        attrs = {
            "standard_name": f"sea_water_{axis}_velocity",
            "long_name": f"ocean current along the mesh {axis} axis",
        }
        attrs |= {"units": "m s-1", "mesh": "mesh", "location": "face"}
        frame[name] = (("trajectory", "face"), values.T.astype(np.float32), attrs)

    return frame.assign_attrs(
        Conventions="CF-1.8 UGRID-1.0",
        title="sea ice under idealised storms",
        source=f"{SIMULATION_MARK}: brittle Bingham-Maxwell rheology on triangles",
        experiment=json.dumps(experiment.to_dict()),
        constants=json.dumps(experiment.constants.to_dict()),
        forcing=json.dumps([forcing.to_dict() for forcing in forcings]),
        comment="the ice is intact and at rest at the beginning; its damage needs about a day to spin up",
    )


def attributes_of(name: str, mesh: Mesh) -> dict[str, Any]:
    """CF and UGRID attributes of a variable in time."""
    base, _, on_nodes = name.partition("_")
    attrs: dict[str, Any] = dict(default_variables()[base].attrs)
    if on_nodes:
        attrs["long_name"] += ", at the nodes"

    attrs |= {"mesh": "mesh", "location": "node" if on_nodes else "face"}
    return attrs | ({"grid_mapping": "crs"} if mesh.crs is not None else {})


def dims_of(name: str) -> tuple[str, str, str]:
    """Dimensions of a variable in time."""
    return "trajectory", "time", "node" if name in ON_NODES else "face"
