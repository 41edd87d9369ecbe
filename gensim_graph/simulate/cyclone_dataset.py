"""Layout of simulated trajectories as a dataset: UGRID topology, CF attributes, dimensions (trajectory, time, face)."""

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
"""Beginning of the attribute ``source`` of every simulated dataset; it identifies them."""

ON_FACES = ("sit", "sic", "sid", "siu", "siv", "snt", "uas", "vas")
ON_NODES = ("siu_node", "siv_node")
START = np.datetime64("2000-01-01", "ns")


def variables_of(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of the variables that change in time."""
    return (*ON_FACES, *ON_NODES, *(("tus",) if experiment.thermodynamics else ()))


def static_dataset(mesh: Mesh, experiment: Experiment, forcings: list[StormForcing], current: Array) -> xr.Dataset:
    """Build the dataset without the variables that change in time: topology, coordinates, currents, attributes.

    Args:
        mesh: the mesh.
        experiment: settings of the simulation.
        forcings: storms and gyre of each member.
        current: (2, face, member) m/s, ocean current along the axes of the plane.
    """
    times = np.arange(experiment.records + 1) * np.timedelta64(round(experiment.interval * 1e9), "ns")
    dataset = mesh_to_dataset(mesh).assign_coords(
        time=("time", START + times, {"standard_name": "time"}),
        trajectory=("trajectory", np.arange(experiment.members), {"long_name": "number of the simulation"}),
    )

    for axis, name, values in zip("xy", ("uo", "vo"), current, strict=True):
        attrs = {
            "standard_name": f"sea_water_{axis}_velocity",
            "long_name": f"ocean current along the mesh {axis} axis",
            "units": "m s-1",
            "mesh": "mesh",
            "location": "face",
        }
        dataset[name] = (("trajectory", "face"), values.T.astype(np.float32), attrs)

    return dataset.assign_attrs(
        Conventions="CF-1.8 UGRID-1.0",
        title="sea ice under idealised storms",
        source=f"{SIMULATION_MARK}: brittle Bingham-Maxwell rheology on triangles",
        experiment=json.dumps(experiment.to_dict()),
        constants=json.dumps(experiment.constants.to_dict()),
        forcing=json.dumps([forcing.to_dict() for forcing in forcings]),
        comment="the ice is intact and at rest at the beginning; its damage needs about a day to spin up",
    )


def attributes_of(name: str, mesh: Mesh) -> dict[str, Any]:
    """Return the CF and UGRID attributes of a variable that changes in time.

    Args:
        name: name of the variable; the suffix ``_node`` marks values at the nodes.
        mesh: the mesh; one with a crs adds ``grid_mapping``.
    """
    base, _, on_nodes = name.partition("_")
    attrs: dict[str, Any] = dict(default_variables()[base].attrs)
    if on_nodes:
        attrs["long_name"] += ", at the nodes"

    attrs |= {"mesh": "mesh", "location": "node" if on_nodes else "face"}
    return attrs | ({"grid_mapping": "crs"} if mesh.crs is not None else {})


def dims_of(name: str) -> tuple[str, str, str]:
    """Return the dimensions of a variable that changes in time."""
    return "trajectory", "time", "node" if name in ON_NODES else "face"
