"""A forecast beside the truth: the same cells, the same instants, one variable and one lead time at a time.

Scores, deformation statistics and the report all read through :class:`Verification`, so that what is wrong with the
input is said once and in one way, and a long forecast never sits in memory as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import has_topology, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable


@dataclass(frozen=True)
class Verification:
    """A forecast and the truth that it is held against.

    Attributes:
        forecast: dims (start, member, lead_time, face); a single start and member were given the dimension.
        truth: dims (time, face), or node for velocities.
        variables: state variables that both have, in the order of the table.
        valid_times: (start, lead_time) datetime64.
        areas: (face) m2.
        mesh: None where neither dataset carries one.
    """

    forecast: xr.Dataset
    truth: xr.Dataset
    variables: tuple[Variable, ...]
    valid_times: Array
    areas: Array
    mesh: Mesh | None

    @property
    def weights(self) -> Array:
        """Areas that sum to one, (face)."""
        return self.areas / self.areas.sum()

    @property
    def lead_hours(self) -> Array:
        """Lead times in hours, (lead_time)."""
        return lead_hours(self.forecast)

    @property
    def starts(self) -> int:
        """Number of forecasts."""
        return self.forecast.sizes["start"]

    @property
    def members(self) -> int:
        """Size of the ensemble."""
        return self.forecast.sizes["member"]

    def pair(self, name: str, start: int, lead: int) -> tuple[Array, Array]:
        """Forecast (member, face) and truth (face) of one variable at one valid time, in the variable's units.

        Raises:
            InputError: values that are not finite.
        """
        return self.ensemble_at(name, start, lead), self.truth_at(name, start, lead)

    def ensemble_at(self, name: str, start: int, lead: int) -> Array:
        """Forecast (member, face) at the valid time of a start and a lead, in the variable's units."""
        ensemble = self.forecast[name].isel(start=start, lead_time=lead)
        return self.on_faces(ensemble, "forecast", f"at lead {self.lead_hours[lead]:g} h")

    def truth_at(self, name: str, start: int, lead: int) -> Array:
        """Truth (face) at the valid time of a start and a lead, in the variable's units."""
        return self.at(name, self.valid_times[start, lead])

    @property
    def start_times(self) -> Array:
        """When the forecasts start, (start) datetime64."""
        return self.valid_times[:, 0] - self.forecast["lead_time"].values[0]

    @property
    def has_start(self) -> bool:
        """Whether the truth holds the instants at which the forecasts start."""
        return bool(np.isin(self.start_times, self.truth["time"].values).all())

    def has(self, *names: str) -> bool:
        """Whether forecast and truth have these state variables."""
        return set(names) <= {variable.name for variable in self.variables}

    def initial(self, name: str, start: int) -> Array:
        """Truth (face) of one variable at the start of a forecast; only where :attr:`has_start`."""
        return self.at(name, self.start_times[start])

    def at(self, name: str, instant: np.datetime64) -> Array:
        """Truth (face) of one variable at an instant that it holds."""
        return self.on_faces(self.truth[name].sel(time=instant), "truth", f"at {instant}")

    def on_faces(self, field: xr.DataArray, source: str, where: str = "") -> Array:
        """Values on the faces, members first; ``source`` and ``where`` are for the message of what it raises.

        Raises:
            InputError: values that are not finite.
        """
        values = field.transpose(*(["member"] if "member" in field.dims else []), ...).values
        if "node" in field.dims and self.mesh is not None:
            values = self.mesh.to_faces(values)

        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            raise InputError(
                f"{source}: '{field.name}' has {bad} of {values.size} values that are not finite {where}; every face "
                "of the mesh must have a value, leave land out of the mesh instead of marking it with NaN"
            )

        return np.asarray(values)


def match(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    variables: VariableTable,
    areas: Array | None = None,
    source: str = "forecast",
) -> Verification:
    """Check that a forecast can be held against a truth, and put them beside each other.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``. A lead time of zero is left
            out: the initial state is given, not forecast.
        truth: dims (time, face).
        variables: its state variables are matched; one that is in neither dataset is left out.
        areas: (face) m2; taken from the mesh of the forecast, or else of the truth, when not given.
        source: how messages call the forecast.

    Raises:
        InputError: other faces, valid times that the truth lacks, a state variable in one of the two only, no mesh.
    """
    forecast = _with_ensemble_dims(forecast, source)
    truth = _single_trajectory(truth)
    mesh = _common_mesh(forecast, truth, source)

    if areas is None and mesh is None:
        raise InputError(
            f"{source}: neither it nor the truth carries its mesh; pass areas= or write the mesh topology (UGRID) along"
        )

    matched = Verification(
        forecast=forecast,
        truth=truth,
        variables=_common_variables(forecast, truth, variables, source),
        valid_times=_valid_times(forecast, truth, source),
        areas=np.asarray(mesh.areas if areas is None and mesh is not None else areas, dtype=np.float64),
        mesh=mesh,
    )
    _check_faces(matched, source)

    return matched


def match_models(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    variables: VariableTable,
    areas: Array | None = None,
    baselines: Mapping[str, xr.Dataset] | None = None,
) -> dict[str, Verification]:
    """A forecast and its baselines beside the truth: name -> match, the first is called ``forecast``.

    Arguments and errors as of :func:`match`; baselines have the valid times of the forecast.
    """
    models = {"forecast": match(forecast, truth, variables, areas)}
    for name, baseline in (baselines or {}).items():
        if name in ("forecast", "truth"):
            raise InputError(f"a baseline must not be called '{name}'; give it another name")
        models[name] = match(baseline, truth, variables, models["forecast"].areas, f"baseline '{name}'")
        _check_times(name, models[name], models["forecast"])

    return models


def _check_times(name: str, baseline: Verification, forecast: Verification) -> None:
    if not np.array_equal(baseline.valid_times, forecast.valid_times):
        raise InputError(
            f"baseline '{name}': its valid times {baseline.valid_times.shape} differ from those of the forecast "
            f"{forecast.valid_times.shape} (starts, leads); start it at the same times with the same lead times"
        )


def lead_hours(dataset: xr.Dataset) -> Array:
    """Lead times of a forecast in hours, (lead_time)."""
    return dataset["lead_time"].values / np.timedelta64(1, "h")


def _with_ensemble_dims(forecast: xr.Dataset, source: str) -> xr.Dataset:
    for name in ("lead_time", "valid_time"):
        if name not in forecast.variables:
            raise InputError(
                f"{source}: coordinate '{name}' is missing; a forecast has lead_time (timedelta64) and valid_time"
            )

    if not np.issubdtype(forecast["lead_time"].dtype, np.timedelta64):
        raise InputError(f"{source}: lead_time must be timedelta64; got {forecast['lead_time'].dtype}")
    if "lead_time" not in forecast.dims:
        raise InputError(f"{source}: dimension 'lead_time' is missing; got {dict(forecast.sizes)}")

    ahead = forecast["lead_time"].values > np.timedelta64(0)
    if not ahead.any():
        raise InputError(f"{source}: it has no lead time beyond the start; forecast at least one step")

    forecast = forecast.isel(lead_time=ahead)
    fields = forecast.set_coords("valid_time").reset_coords("valid_time")

    for dim in ("member", "start"):
        if dim not in forecast.dims:
            lacking = {name: field for name, field in fields.data_vars.items() if "lead_time" in field.dims}
            if dim == "member":
                del lacking["valid_time"]
            fields = fields.assign({name: field.expand_dims(dim) for name, field in lacking.items()})

    return fields.set_coords("valid_time")


def _single_trajectory(truth: xr.Dataset) -> xr.Dataset:
    if "time" not in truth.dims:
        raise InputError(f"truth: dimension 'time' is missing; got {dict(truth.sizes)}")
    if truth.sizes.get("trajectory", 1) > 1:
        raise InputError(
            f"truth: it holds {truth.sizes['trajectory']} trajectories; choose one with truth.isel(trajectory=...)"
        )

    return truth.squeeze("trajectory", drop=True) if "trajectory" in truth.dims else truth


def _valid_times(forecast: xr.Dataset, truth: xr.Dataset, source: str) -> Array:
    wanted = forecast["valid_time"].transpose("start", "lead_time").values
    missing = np.setdiff1d(wanted, truth["time"].values)

    if missing.size:
        first, last = truth["time"].values[[0, -1]]
        raise InputError(
            f"{source}: {missing.size} of {np.unique(wanted).size} valid times are missing in the truth, the first is "
            f"{missing[0]}; the truth has {truth.sizes['time']} times from {first} to {last}"
        )

    return np.asarray(wanted)


def _common_variables(
    forecast: xr.Dataset, truth: xr.Dataset, table: VariableTable, source: str
) -> tuple[Variable, ...]:
    common = []
    for variable in table.state:
        present = {source: variable.name in forecast, "truth": variable.name in truth}
        if not any(present.values()):
            continue

        for name, has in present.items():
            if not has:
                other = source if name == "truth" else "truth"
                raise InputError(
                    f"{name}: state variable '{variable.name}' is missing, the {other} has it; add it, or drop it there"
                )

        common.append(variable)

    if not common:
        names = ", ".join(variable.name for variable in table.state)
        raise InputError(f"{source}: neither it nor the truth has a state variable; expected some of {names}")

    return tuple(common)


def _common_mesh(forecast: xr.Dataset, truth: xr.Dataset, source: str) -> Mesh | None:
    meshes = [mesh_from_dataset(dataset) if has_topology(dataset) else None for dataset in (forecast, truth)]
    first, second = meshes

    if first is not None and second is not None and not first.matches(second):
        raise InputError(
            f"{source}: its mesh ({first.n_faces} faces) is not that of the truth ({second.n_faces} faces); "
            "forecast on the mesh of the truth, or remap the truth"
        )

    return first or second


def _check_faces(matched: Verification, source: str) -> None:
    expected = len(matched.areas)
    for owner, dataset in ((source, matched.forecast), ("truth", matched.truth)):
        for variable in matched.variables:
            field = dataset[variable.name]
            nodes = matched.mesh.n_nodes if matched.mesh is not None else -1
            if field.sizes.get("face") != expected and field.sizes.get("node") != nodes:
                raise InputError(
                    f"{owner}: '{variable.name}' has dims {dict(field.sizes)}; the mesh has {expected} faces"
                )
