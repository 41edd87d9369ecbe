"""Simulate sea ice under storms on any mesh: into memory, or into a zarr store as it goes."""

import warnings
from pathlib import Path as FilePath

import numpy as np
import xarray as xr
import zarr

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.simulate.cyclone_dataset import (
    ON_NODES,
    SIMULATION_MARK,
    START,
    attributes_of,
    dims_of,
    records_of,
    variables_of,
)
from gensim_graph.simulate.ensemble import Ensemble, build_ensemble
from gensim_graph.simulate.experiment import Experiment
from gensim_graph.simulate.member_batches import fill
from gensim_graph.system import write_atomically
from gensim_graph.typing import Path


def simulate_cyclone(
    mesh: Mesh,
    members: int = 4,
    days: float | int = 4.0,
    seed: int = 0,
    *,
    every: str = "3h",
    case: str = "random",
    physics: str = "benchmark",
    thermodynamics: bool = False,
    device: str = "auto",
    precision: str = "float64",
    progress: bool = True,
) -> xr.Dataset:
    """Sea ice under moving storms, as :func:`~gensim_graph.open_store` would read it.

    The ice of each member starts intact and at rest, with random thickness, concentration and snow, and drifts and
    breaks under random cyclones and anticyclones that cross the domain. Coasts hold it, open boundaries do not.

    Args:
        mesh: any mesh in a plane; faces with more than three corners are split into triangles and averaged back.
        members: independent trajectories; a member depends on ``seed`` and its number alone.
        days: length.
        seed: of everything random.
        every: time between records.
        case: ``random``, or ``benchmark`` for the cyclone and ice of Mehlmann et al. (2021).
        physics: constants of the idealised cyclone (``benchmark``) or of neXtSIM v2 (``nextsim``).
        thermodynamics: let ice grow and melt over the seasons.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: of the computation, ``float64`` or ``float32``.
        progress: show a progress bar.

    Returns:
        Dataset (trajectory, time, face) in float32 with its topology: ``sit, sic, sid, siu, siv, snt``, the wind
        ``uas, vas``, drift at the nodes ``siu_node, siv_node`` and ocean currents ``uo, vo``. All of it is in memory;
        :func:`write_cyclone` is for what does not fit.

    Raises:
        InputError: wrong arguments, or a mesh that cannot be split into triangles.
    """
    experiment = Experiment(members, float(days), seed, every, case, physics, thermodynamics, device, precision)
    ensemble = build_ensemble(mesh, experiment)
    frame = _frame(ensemble)
    columns = {}

    for name in variables_of(experiment):
        size = mesh.n_nodes if name in ON_NODES else mesh.n_faces
        columns[name] = np.empty((members, experiment.records + 1, size), dtype=np.float32)

    fill(ensemble, columns, 1, progress)
    attributes = {name: attributes_of(name, mesh) for name in columns}

    return frame.assign({name: (dims_of(name), columns[name], attributes[name]) for name in columns})


def write_cyclone(ensemble: Ensemble, out: Path, *, progress: bool = True) -> FilePath:
    """Simulate into a zarr store: a day of a few members in memory at a time, whole or not there at all.

    Args:
        ensemble: what is simulated, from :func:`~gensim_graph.simulate.build_ensemble`.
        out: the store, ``*.zarr``; an earlier simulation there is replaced when the new one is complete.
        progress: show a progress bar.

    Returns:
        The path of the store.

    Raises:
        InputError: a path that holds something else, or that cannot be written.
    """
    target = FilePath(out)
    check_simulation_place(target)

    def write(path: FilePath) -> None:
        columns, together = _create(path, ensemble)
        fill(ensemble, columns, together, progress)
        with warnings.catch_warnings():  # zarr has no standard for it yet
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(path))

    try:
        write_atomically(target, write)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error}); choose another path with --out") from None

    return target


def check_simulation_place(target: FilePath) -> None:
    """Refuse a path that exists and is no simulation of ours, or that is no place for a store."""
    if target.suffix != ".zarr":
        raise InputError(f"{target}: a simulation is a zarr store; give it a name that ends in .zarr")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}; make it first")
    if not target.exists():
        return

    try:
        ours = str(zarr.open_group(str(target), mode="r").attrs.get("source", "")).startswith(SIMULATION_MARK)
    except Exception:  # whatever is there, it is not ours
        ours = False

    if not ours:
        raise InputError(f"{target}: exists and is not a simulation of gensim-graph; choose another path with --out")


def _frame(ensemble: Ensemble) -> xr.Dataset:
    members = range(ensemble.experiment.members)
    current = ensemble.current(ensemble.mesh.centres, members)
    return records_of(ensemble.mesh, ensemble.experiment, ensemble.forcings, current)


def _create(path: FilePath, ensemble: Ensemble) -> tuple[dict[str, zarr.Array], int]:
    """Write the frame and allocate the variables; a chunk is a day of one member. Records of a day."""
    experiment, mesh = ensemble.experiment, ensemble.mesh
    since = {"time": {"units": f"seconds since {np.datetime_as_string(START, 's')}", "dtype": "int64"}}
    _frame(ensemble).to_zarr(path, mode="w", encoding=since, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    together = min(experiment.records + 1, max(1, round(86400.0 / experiment.interval)))
    arrays = {}

    for name in variables_of(experiment):
        size = mesh.n_nodes if name in ON_NODES else mesh.n_faces
        arrays[name] = group.create_array(
            name,
            shape=(experiment.members, experiment.records + 1, size),
            chunks=(1, together, size),
            dtype="float32",
            dimension_names=dims_of(name),
            fill_value=float("nan"),
            attributes=attributes_of(name, mesh),
        )

    return arrays, together
