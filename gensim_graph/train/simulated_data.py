"""Training data for a mesh without data: simulated once, and kept in the folder of the run."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from filelock import FileLock

from gensim_graph.data import cyclone_meshes
from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.simulate import Experiment, build_ensemble, in_words, seconds_needed, write_cyclone

log = logging.getLogger(__name__)

STORE = "simulated.zarr"
MEMBERS = 8


@dataclass(frozen=True)
class SimulatedData:
    """Simulated trajectories for a training without data.

    Attributes:
        mesh: the mesh to train on.
        experiment: settings of the simulation, with the constants of neXtSIM, which made the built-in data too.
        store: zarr store in the folder of the run.
    """

    mesh: Mesh
    experiment: Experiment
    store: Path

    @property
    def exists(self) -> bool:
        """True if these data were simulated before.

        Raises:
            InputError: the store belongs to a run on another mesh or with another seed.
        """
        if not self.store.exists():
            return False

        try:
            found = xr.open_zarr(self.store)
            same = found.attrs["experiment"] == json.dumps(self.experiment.to_dict())
            same = same and mesh_from_dataset(found).matches(self.mesh)
        except Exception:  # the store is damaged, or from another program
            same = False

        if not same and (self.store.parent / "run.json").exists():
            raise InputError(
                f"{self.store}: was simulated for a run on another mesh or with another seed; choose another folder "
                "with --out, or give the settings it was started with to resume it"
            )

        return same

    def announce(self) -> None:
        """Log what will be simulated, and how long it takes."""
        length = in_words(seconds_needed(build_ensemble(self.mesh, self.experiment)))
        log.warning(
            "no data were given for this mesh: simulating %d times %g days of ice under storms, which takes about %s; "
            "kept in %s, --data takes data of your own",
            self.experiment.members,
            self.experiment.days,
            length,
            self.store,
        )

    def write(self, progress: bool = True) -> Path:
        """Simulate the data unless they exist, and return the store.

        Of several processes that want the data, one simulates them, and the others wait for it.

        Args:
            progress: show a progress bar.

        Raises:
            InputError: the folder cannot be created, or holds data of another run.
        """
        if self.exists:
            return self.store

        try:
            self.store.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.store.parent}: cannot be made ({error}); choose another --out") from None

        lock = self.store.with_name(f".{STORE}.lock")
        with FileLock(lock):
            if not self.exists:
                write_cyclone(build_ensemble(self.mesh, self.experiment), self.store, progress=progress)
            lock.unlink(missing_ok=True)

        return self.store


def plan_simulation(mesh: Mesh | None, folder: Path, seed: int) -> SimulatedData | None:
    """Return the data that a training without data has to simulate; None for the built-in meshes, which have data.

    Args:
        mesh: the mesh to train on; None for the meshes of the built-in data.
        folder: of the run.
        seed: of the simulation.
    """
    if mesh is None or any(load_mesh(path).matches(mesh) for path in cyclone_meshes().values()):
        return None
    return SimulatedData(mesh, Experiment(MEMBERS, seed=seed, physics="nextsim"), folder / STORE)
