"""Data sets and plans of studies, read from YAML files.

A data set consists of files, the built-in data, or simulated storms; it can be remapped to a regular grid.
"""

import glob
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

_BUILTIN = "builtin:"
_SIMULATION = {"spacing", "box", "members", "days", "seed", "mesh"}


@dataclass(frozen=True)
class DataSet:
    """Trajectories on one kind of mesh at one resolution.

    Attributes:
        name: name of the set.
        train: file patterns, or names of the built-in data such as ``builtin:train``, for training.
        test: the same for forecasts.
        until: end of the training data, hours after the first record; None for all records.
        since: start of the forecasts, hours after the first record: after the spin-up or after the training data.
        grid: spacing in km of a regular grid to which the trajectories are remapped, weighted by area; None for none.
        simulate: settings of a simulation that replaces the files; training and test have different storms.
        follow: the files follow each other in time, as one trajectory.
    """

    name: str
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    until: float | None = None
    since: float = 24.0
    grid: float | None = None
    simulate: Mapping[str, Any] = field(default_factory=dict)
    follow: bool = False

    def sources(self, part: str, data: Path | None, folder: Path) -> list[xr.Dataset]:
        """Open the training or the test data, one dataset per trajectory.

        Args:
            part: ``train`` or ``test``.
            data: folder of the files.
            folder: folder of the simulations; they are run if they are not in it yet.

        Raises:
            InputError: no file matches.
        """
        if self.simulate:
            stores = [open_store(self._simulated(part, folder))]
            stores = [one.isel(trajectory=index) for one in stores for index in range(one.sizes["trajectory"])]
        else:
            stores = [open_store(path) for path in self._files(part, data)]
            stores = [_one_after_another(stores)] if self.follow else stores

        if self.grid is not None:
            stores = [_on_grid(store, 1e3 * self.grid) for store in stores]
        if part == "train" and self.until is not None:
            return [_first_hours(store, self.until) for store in stores]

        return stores

    def _files(self, part: str, data: Path | None) -> list[str]:
        """Return the paths of all files of a part."""
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
        """Return the store of the simulation of a part; simulate it if it does not exist."""
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


def _one_after_another(stores: list[xr.Dataset]) -> xr.Dataset:
    """Join records in time."""
    changing = [name for name, values in stores[0].data_vars.items() if "time" in values.dims]
    joined = xr.concat([one[changing] for one in stores], "time")
    return stores[0].drop_dims("time").merge(joined).assign_attrs(stores[0].attrs)


def _on_grid(store: xr.Dataset, spacing: float) -> xr.Dataset:
    """Remap trajectories to a regular grid; spacing in m."""
    return open_store(store, grid_over(mesh_from_dataset(store), spacing))


def _first_hours(store: xr.Dataset, hours: float) -> xr.Dataset:
    """Return the records of the first hours."""
    times = store["time"].values
    return store.isel(time=times <= times[0] + np.timedelta64(round(hours * 3600), "s"))


@dataclass(frozen=True)
class StudyPlan:
    """Data sets that a study trains on and forecasts.

    Attributes:
        sets: data sets by name.
        trainings: names of the data sets that are trained on together, by the name of the training.
        tests: names of the data sets that are forecast.
        compared: trainings in which the other networks are trained besides the flow; None for all trainings.
    """

    sets: dict[str, DataSet]
    trainings: dict[str, tuple[str, ...]]
    tests: tuple[str, ...]
    compared: tuple[str, ...] | None = None


def read_plan(name: str | Path) -> StudyPlan:
    """Read the plan of a study.

    Args:
        name: a plan that ships, such as ``resolutions`` or ``quick``, or the path of a YAML file.

    Raises:
        InputError: the file cannot be read, or it names data sets or keys that do not exist.
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
    """Build a data set from its entry in the YAML file; unknown keys are refused."""
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
    """Convert lists to tuples and whole numbers to floats."""
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
