"""Runs of neXtSIM and neXtSIM-DG, and runs of our solver from the same initial state under the same forcing.

:func:`read_case` reads a reference, :func:`run_case` runs our solver beside it. Used by ``cyclone_models.py``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.spatial import cKDTree

from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.simulate import BENCHMARK, NEXTSIM, Constants
from gensim_graph.simulate.solver import Elements, State, build_elements, build_solver, cohesion_of, state_at_rest
from gensim_graph.typing import Array


@dataclass
class Fields:
    """States of a run, (time, member, face) each.

    Attributes:
        sit: ice thickness, m.
        sic: concentration.
        sid: damage.
        u, v: drift, m/s, on the nodes or the faces, where the reference has it.
    """

    sit: Array
    sic: Array
    sid: Array
    u: Array
    v: Array


@dataclass
class Case:
    """A reference run and its forcing.

    Attributes:
        name: name of the file.
        mesh: mesh of the reference.
        hours: (time,) since the first record.
        wind: (2, time, node) at 10 m, m/s.
        ocean: (2, node) current, m/s.
        snow: (face,) thickness, m.
        reference: states of the reference, one member.
        location: ``node`` or ``face``, where the reference has its drift.
        constants: physical constants of the reference.
    """

    name: str
    mesh: Mesh
    hours: Array
    wind: Array
    ocean: Array
    snow: Array
    reference: Fields
    location: str
    constants: Constants


def read_case(path: Path) -> Case:
    """Read a file of neXtSIM (drift on nodes) or of neXtSIM-DG (a grid)."""
    store = open_store(path)
    raw = xr.open_dataset(path)
    mesh = mesh_from_dataset(store)
    hours = (store["time"].values - store["time"].values[0]) / np.timedelta64(1, "h")
    on_nodes = "node" in raw["siu"].dims
    drift = raw if on_nodes else store
    fields = [store[name].values[:, None].astype(float) for name in ("sit", "sic", "sid")]
    reference = Fields(*fields, *(drift[name].values[:, None].astype(float) for name in ("siu", "siv")))

    wind = np.stack([to_nodes(mesh, store[name].values.astype(float)) for name in ("uas", "vas")])
    ocean = np.zeros((2, mesh.n_nodes))
    if "uo" in raw:
        cells = np.stack([raw["x_coord"].values.ravel(), raw["y_coord"].values.ravel()], axis=1)
        nearest = cKDTree(cells).query(mesh.centres)[1]
        ocean = np.stack([to_nodes(mesh, raw[name].values.ravel()[nearest].astype(float)) for name in ("uo", "vo")])

    constants, location = (NEXTSIM, "node") if on_nodes else (BENCHMARK, "face")
    snow = store["snt"].values[0].astype(float)
    return Case(path.stem, mesh, hours, wind, ocean, snow, reference, location, constants)


def to_nodes(mesh: Mesh, values: Array) -> Array:
    """Interpolate smooth values from the faces to the nodes, (..., node).

    The interpolation is cubic, because means over the faces around a node would flatten the storm. Nodes outside the
    outermost centres, where the ice does not move in these cases, get the nearest value.

    Args:
        mesh: the mesh.
        values: (..., face).
    """
    columns = np.atleast_2d(values).T
    smooth = CloughTocher2DInterpolator(mesh.centres, columns)(mesh.nodes)
    nearest = columns[cKDTree(mesh.centres).query(mesh.nodes)[1]]
    return np.where(np.isfinite(smooth), smooth, nearest).T.reshape(*values.shape[:-1], mesh.n_nodes)


def run_case(case: Case) -> Fields:
    """Run our solver with two members from the initial state of the reference, under its wind."""
    elements = build_elements(case.mesh)
    every = case.hours[1] * 3600.0
    rng = np.random.default_rng(0)
    cohesion = cohesion_of(elements, case.constants, elements.from_faces(rng.random((2, case.mesh.n_faces))))
    solver = build_solver(elements, case.constants, every, cohesion, torch.as_tensor(case.ocean)[..., None])

    first = [getattr(case.reference, name)[0].repeat(2, axis=0) for name in ("sit", "sic", "sid")]
    first[0][1] *= 1.0 + 1e-6 * rng.normal(size=case.mesh.n_faces)
    state = state_at_rest(elements, first[0], first[1], case.snow[None].repeat(2, axis=0), first[2])

    wind = torch.as_tensor(case.wind)[..., None]

    def wind_at(seconds: float) -> torch.Tensor:
        record = min(int(seconds / every), len(case.hours) - 2)
        share = seconds / every - record
        return (1 - share) * wind[:, record] + share * wind[:, record + 1]

    states = [state, *solver.run(state, wind_at, len(case.hours) - 1)]
    columns = zip(*(fields_of(case, elements, later) for later in states), strict=True)
    return Fields(*(np.stack(column) for column in columns))


def fields_of(case: Case, elements: Elements, state: State) -> tuple[Array, ...]:
    """Return sit, sic, sid on faces and both components of the drift where the reference has it, (member, ...).

    Args:
        case: the reference.
        elements: mesh of the solver.
        state: state of the solver.
    """
    drift = state.velocity[:, : case.mesh.n_nodes].permute(0, 2, 1).numpy()
    drift = drift if case.location == "node" else case.mesh.to_faces(drift)
    faces = (elements.to_faces(part) for part in (state.thickness, state.concentration, 1.0 - state.intact))
    return (*faces, *drift)
