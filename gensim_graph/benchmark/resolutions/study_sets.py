"""Data sets of a study by name: files, the built-in data, or storms of our own, as they are or on a grid."""

import glob
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from gensim_graph.benchmark.resolutions.box_meshes import MESHES, grid_over
from gensim_graph.data import cyclone_trajectories
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.simulate import Experiment, build_ensemble, write_cyclone
from gensim_graph.system import resource

log = logging.getLogger(__name__)

_BUILTIN = "builtin:"
_SIMULATION = {"spacing", "box", "members", "days", "seed", "mesh"}


@dataclass(frozen=True)
class DataSet:
    """Trajectories of one kind of mesh and resolution.

    Attributes:
        name: of the set.
        train, test: patterns of files, or ``builtin:train`` and the like.
        until: hours from the beginning of a run at which training ends; None for the whole.
        since: hours at which forecasts start: after the spin-up, or where training ended.
        grid: km; the trajectories are remapped, area-weighted, to a regular grid of this spacing in their box.
        simulate: arguments of a simulation instead of files; it is tested on, and trained on if it is named in a
            training, with other storms.
    """

    name: str
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    until: float | None = None
    since: float = 24.0
    grid: float | None = None
    simulate: Mapping[str, Any] = field(default_factory=dict)

    def sources(self, part: str, data: Path | None, folder: Path) -> list[xr.Dataset]:
        """Stores of the training or the test part, one a file.

        Args:
            part: ``train`` or ``test``.
            data: folder of the files.
            folder: where simulations are kept.

        Raises:
            InputError: files that are not there.
        """
        if self.simulate:
            stores = [open_store(self._simulated(part, folder))]
            stores = [one.isel(trajectory=index) for one in stores for index in range(one.sizes["trajectory"])]
        else:
            stores = [open_store(path) for path in self._files(part, data)]

        if self.grid is not None:
            stores = [_on_grid(store, 1e3 * self.grid) for store in stores]
        if part == "train" and self.until is not None:
            return [_first_hours(store, self.until) for store in stores]

        return stores

    def _files(self, part: str, data: Path | None) -> list[str]:
        patterns: tuple[str, ...] = getattr(self, part)
        found: list[str] = []

        for pattern in patterns:
            if pattern.startswith(_BUILTIN):
                found += [str(path) for path in cyclone_trajectories(pattern.removeprefix(_BUILTIN))]  # type: ignore[arg-type]
            elif data is not None:
                found += sorted(glob.glob(str(data / pattern)))

        if not found:
            where = "no --data was given" if data is None else f"not in {data}"
            raise InputError(f"set '{self.name}' has no files for {part} ({', '.join(patterns) or 'none'}; {where})")

        return found

    def _simulated(self, part: str, folder: Path) -> Path:
        store = folder / f"{self.name}_{part}.zarr"
        if not store.exists():
            settings = dict(self.simulate)
            mesh = MESHES[settings.pop("mesh", "triangles")](
                1e3 * settings.pop("spacing"), 1e3 * settings.pop("box", 512)
            )
            seed = 2 * settings.pop("seed", 0) + (part == "test")
            folder.mkdir(parents=True, exist_ok=True)
            write_cyclone(build_ensemble(mesh, Experiment(seed=seed, physics="nextsim", **settings)), store)

        return store


def _on_grid(store: xr.Dataset, spacing: float) -> xr.Dataset:
    return open_store(store, grid_over(mesh_from_dataset(store), spacing))


def _first_hours(store: xr.Dataset, hours: float) -> xr.Dataset:
    times = store["time"].values
    return store.isel(time=times <= times[0] + np.timedelta64(round(hours * 3600), "s"))


@dataclass(frozen=True)
class StudyPlan:
    """What a study trains on and what it forecasts.

    Attributes:
        sets: data sets by name.
        trainings: name -> sets that are trained on together.
        tests: sets that are forecast.
        compared: trainings in which the networks beside the flow are trained, too; None for all.
    """

    sets: dict[str, DataSet]
    trainings: dict[str, tuple[str, ...]]
    tests: tuple[str, ...]
    compared: tuple[str, ...] | None = None


def read_plan(name: str | Path) -> StudyPlan:
    """A plan that ships (``resolutions``, ``quick``) or one of your own, a YAML file.

    Raises:
        InputError: there is none, or it names sets and keys that do not exist.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = resource("configs", "benchmark", f"{name}.yaml")

    try:
        rows = yaml.safe_load(path.read_text())
        sets = {key: _data_set(key, row) for key, row in rows["sets"].items()}
        trainings = {str(key): tuple(names) for key, names in rows["trainings"].items()}
        compared = tuple(rows["compared"]) if "compared" in rows else None
        plan = StudyPlan(sets, trainings, tuple(rows["tests"]), compared)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no plan of a study ({error}); it needs sets, trainings and tests") from None

    unknown = {name for names in (*trainings.values(), plan.tests) for name in names} - set(sets)
    if unknown:
        raise InputError(f"{path}: names sets that it does not have: {', '.join(sorted(unknown))}")
    if unknown := set(plan.compared or ()) - set(plan.trainings):
        raise InputError(f"{path}: compares in trainings that it does not have: {', '.join(sorted(unknown))}")

    return plan


def _data_set(name: str, row: Mapping[str, Any]) -> DataSet:
    known = {part.name for part in fields(DataSet)} - {"name"}
    simulation = row.get("simulate", {})
    wrong = [*(set(row) - known), *(set(simulation) - _SIMULATION)]

    if wrong:
        raise InputError(
            f"set '{name}': unknown {', '.join(map(str, sorted(wrong)))}; known are {', '.join(sorted(known))}"
        )

    given: dict[str, Any] = {key: _typed(value) for key, value in row.items()}
    return DataSet(name, **given)


def _typed(value: Any) -> Any:
    """Lists as tuples, numbers of hours as floats."""
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(value, int) else value
