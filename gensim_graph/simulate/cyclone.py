"""Simulate sea ice under storms on any mesh: into a dataset in memory, or record by record into a zarr store."""

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
    static_dataset,
    variables_of,
)
from gensim_graph.simulate.ensemble import Ensemble, build_ensemble
from gensim_graph.simulate.experiment import Experiment
from gensim_graph.simulate.member_batches import fill
from gensim_graph.system import check_space, write_atomically
from gensim_graph.typing import Path
from gensim_graph.units import SECONDS_PER_DAY


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
    """Simulate sea ice under moving storms, as a dataset like those of :func:`~gensim_graph.open_store`.

    The ice of each member starts intact and at rest, with random thickness, concentration and snow. Random cyclones and
    anticyclones cross the domain, under which the ice drifts and breaks. The ice cannot move at coasts; it crosses open
    boundaries freely.

    Args:
        mesh: any mesh in a plane; faces with more than three corners are split into triangles, and the results are
            averaged back.
        members: number of independent trajectories; a member depends on ``seed`` and its number alone.
        days: length of the simulation.
        seed: seed of all random numbers.
        every: time between records, such as ``3h``.
        case: ``random``, or ``benchmark`` for the cyclone and ice of Mehlmann et al. (2021).
        physics: constants of the idealised cyclone (``benchmark``) or of neXtSIM v2 (``nextsim``).
        thermodynamics: let the ice grow and melt over the seasons.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: precision of the computation, ``float64`` or ``float32``.
        progress: show a progress bar.

    Returns:
        Dataset (trajectory, time, face) in float32 with its topology: ``sit`` and ``snt`` (m), ``sic`` and ``sid`` (1),
        ``siu`` and ``siv`` (m/s), the wind ``uas`` and ``vas`` (m/s), drift at the nodes ``siu_node`` and ``siv_node``
        and ocean currents ``uo`` and ``vo`` (m/s); vectors along the axes of the mesh. All of it is in memory;
        :func:`write_cyclone` is for simulations that do not fit.

    Raises:
        InputError: wrong arguments, or a mesh that cannot be split into triangles.

    Example:
        Three hours of two members in a box of 500 km; the volume of the ice stays the same:

        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> axis = 100e3 * np.arange(5)
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> data = gg.simulate_cyclone(mesh, members=2, days=0.125, progress=False)
        >>> dict(data["sit"].sizes)
        {'trajectory': 2, 'time': 2, 'face': 25}
        >>> volume = (data["sit"] * mesh.areas).sum("face")
        >>> np.allclose(volume[:, 0], volume[:, 1], rtol=1e-6)
        True
    """
    experiment = Experiment(members, float(days), seed, every, case, physics, thermodynamics, device, precision)
    ensemble = build_ensemble(mesh, experiment)
    dataset = _static_dataset(ensemble)
    columns = {}

    for name in variables_of(experiment):
        size = mesh.n_nodes if name in ON_NODES else mesh.n_faces
        columns[name] = np.empty((members, experiment.records + 1, size), dtype=np.float32)

    fill(ensemble, columns, 1, progress)
    attributes = {name: attributes_of(name, mesh) for name in columns}

    return dataset.assign({name: (dims_of(name), columns[name], attributes[name]) for name in columns})


def write_cyclone(ensemble: Ensemble, out: Path, *, progress: bool = True) -> FilePath:
    """Simulate into a zarr store, with about a day of a few members in memory at a time.

    The store appears when it is complete; a run that fails leaves nothing behind.

    Args:
        ensemble: the ensemble, from :func:`~gensim_graph.simulate.build_ensemble`.
        out: the store, ``*.zarr``; an earlier simulation at this path is replaced when the new one is complete.
        progress: show a progress bar.

    Returns:
        The path of the store.

    Raises:
        InputError: a path that holds something else, or that cannot be written.
    """
    target = FilePath(out)
    check_simulation_place(target)
    check_space(target, _bytes_of(ensemble), beside=True)

    def write(path: FilePath) -> None:
        columns, records_per_chunk = _create_store(path, ensemble)
        fill(ensemble, columns, records_per_chunk, progress)
        with warnings.catch_warnings():  # zarr warns that consolidated metadata are not in its standard yet
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(path))

    try:
        write_atomically(target, write)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error}); choose another path with --out") from None

    return target


def check_simulation_place(target: FilePath) -> None:
    """Check that a simulation can be written to a path: it is free, or it holds an earlier simulation.

    Raises:
        InputError: a name without ``.zarr``, a missing folder, something else at the path, or a place that cannot be
            written.
    """
    if target.suffix != ".zarr":
        raise InputError(f"{target}: a simulation is a zarr store; give it a name that ends in .zarr")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}; make it first")

    check_space(target, beside=True)
    if not target.exists():
        return

    try:
        source = zarr.open_group(str(target), mode="r").attrs.get("source", "")
        is_simulation = str(source).startswith(SIMULATION_MARK)
    except Exception:  # any error means that it is not a simulation of ours
        is_simulation = False

    if not is_simulation:
        raise InputError(f"{target}: exists and is not a simulation of gensim-graph; choose another path with --out")


def _bytes_of(ensemble: Ensemble) -> float:
    """Return the least number of bytes that a simulation takes on the disk: half of its float32 values, compressed."""
    experiment, mesh = ensemble.experiment, ensemble.mesh
    sizes = [mesh.n_nodes if name in ON_NODES else mesh.n_faces for name in variables_of(experiment)]
    return 0.5 * 4 * experiment.members * (experiment.records + 1) * sum(sizes)


def _static_dataset(ensemble: Ensemble) -> xr.Dataset:
    members = range(ensemble.experiment.members)
    current = ensemble.current(ensemble.mesh.centres, members)
    return static_dataset(ensemble.mesh, ensemble.experiment, ensemble.forcings, current)


def _create_store(path: FilePath, ensemble: Ensemble) -> tuple[dict[str, zarr.Array], int]:
    """Create the store with empty variables; a chunk is about a day of one member.

    Returns:
        The variables that change in time, and the number of records in a chunk.
    """
    experiment, mesh = ensemble.experiment, ensemble.mesh
    encoding = {"time": {"units": f"seconds since {np.datetime_as_string(START, 's')}", "dtype": "int64"}}
    _static_dataset(ensemble).to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    group = zarr.open_group(str(path), mode="r+")
    records_per_day = round(SECONDS_PER_DAY / experiment.interval)
    records_per_chunk = min(experiment.records + 1, max(1, records_per_day))
    arrays = {}

    for name in variables_of(experiment):
        size = mesh.n_nodes if name in ON_NODES else mesh.n_faces
        arrays[name] = group.create_array(
            name,
            shape=(experiment.members, experiment.records + 1, size),
            chunks=(1, records_per_chunk, size),
            dtype="float32",
            dimension_names=dims_of(name),
            fill_value=float("nan"),
            attributes=attributes_of(name, mesh),
        )

    return arrays, records_per_chunk
