"""Checks that a forecast fits a truth, and puts them side by side in a :class:`~gensim_graph.evaluate.Verification`.

Every error in the input is reported here, before the first score is computed: other cells, valid times that the truth
lacks, no variable that both have. :func:`match` takes one forecast; :func:`match_models` a forecast and its baselines,
which must have the same valid times.
"""

import logging
from collections.abc import Mapping

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.verification import Verification
from gensim_graph.io import has_topology, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

log = logging.getLogger(__name__)


def match(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    variables: VariableTable,
    areas: Array | None = None,
    source: str = "forecast",
) -> Verification:
    """Put one forecast and the truth side by side, after checking that they fit together.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``. A lead time of zero is left
            out: it is the initial state, which is given and not forecast.
        truth: dims (time, face).
        variables: its state variables are matched. Those that only one of the two has are left out, with one line in
            the log.
        areas: (face,) m2; by default from the mesh of the forecast or, if it has none, of the truth.
        source: name of the forecast in error messages.

    Raises:
        InputError: the faces differ, the truth lacks valid times, the two have no state variable in common, or there
            is neither a mesh nor ``areas``.
    """
    common = _common_variables(forecast, truth, variables, source)
    return _matched(forecast, truth, common, areas, source)


def _matched(
    forecast: xr.Dataset, truth: xr.Dataset, variables: tuple[Variable, ...], areas: Array | None, source: str
) -> Verification:
    forecast = with_ensemble_dims(forecast, source)
    truth = _single_trajectory(truth)
    mesh = _common_mesh(forecast, truth, source)

    if areas is None and mesh is None:
        raise InputError(
            f"{source}: neither it nor the truth carries its mesh; pass areas= or write the mesh topology (UGRID) along"
        )

    matched = Verification(
        forecast=forecast,
        truth=truth,
        variables=variables,
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
    """Put a forecast and its baselines beside the same truth.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``; a lead time of zero is left out.
        truth: dims (time, face).
        variables: its state variables are matched. Those that only one of the two has are left out, with one line in
            the log.
        areas: (face,) m2; by default from the mesh of the forecast or, if it has none, of the truth.
        baselines: name -> forecast with the valid times of ``forecast``.

    Returns:
        Name of the model -> verification. The first model is called ``forecast``.

    Raises:
        InputError: a baseline has other valid times, lacks a variable of the others or is called ``forecast`` or
            ``truth``, or what :func:`match` raises.

    Example:
        Persistence of a day and a half beside a trajectory that ships, read back at the second lead time:

        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import match_models, persistence
        >>> truth = gg.open_store(cyclone_trajectories("test")[0])
        >>> forecast = persistence(truth.isel(time=0), [np.timedelta64(hours, "h") for hours in (12, 36)])
        >>> models = match_models(forecast, truth, gg.default_variables())
        >>> matched = models["forecast"]
        >>> matched.starts, matched.members, matched.lead_hours.tolist()
        (1, 1, [12.0, 36.0])
        >>> ensemble, reality = matched.pair("sit", start=0, lead=1)
        >>> ensemble.shape, reality.shape
        ((1, 2640), (2640,))
    """
    first = match(forecast, truth, variables, areas)
    models = {"forecast": first}

    for name, baseline in (baselines or {}).items():
        if name in ("forecast", "truth"):
            raise InputError(f"a baseline must not be called '{name}'; give it another name")
        _check_same_variables(name, baseline, first)
        models[name] = _matched(baseline, truth, first.variables, first.areas, f"baseline '{name}'")
        _check_same_times(name, models[name], first)

    return models


def _check_same_variables(name: str, baseline: xr.Dataset, forecast: Verification) -> None:
    missing = [variable.name for variable in forecast.variables if variable.name not in baseline]
    if missing:
        raise InputError(
            f"baseline '{name}': it lacks '{missing[0]}', which the forecast and the truth have; all models are scored "
            "on the same variables: add it, or choose those that all have with variables= or --variables"
        )


def _check_same_times(name: str, baseline: Verification, forecast: Verification) -> None:
    if not np.array_equal(baseline.valid_times, forecast.valid_times):
        raise InputError(
            f"baseline '{name}': its valid times {baseline.valid_times.shape} differ from those of the forecast "
            f"{forecast.valid_times.shape} (starts, leads); start it at the same times with the same lead times"
        )


def with_ensemble_dims(forecast: xr.Dataset, source: str, keep_initial: bool = False) -> xr.Dataset:
    """Give all fields the dimensions ``start`` and ``member``, and leave out a lead time of zero.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``.
        source: its name in error messages.
        keep_initial: keep a lead time of zero.

    Raises:
        InputError: there is no lead time beyond the start.
    """
    _check_lead_times(forecast, source)
    ahead = forecast["lead_time"].values > np.timedelta64(0)

    if not ahead.any():
        raise InputError(f"{source}: it has no lead time beyond the start; forecast at least one step")

    forecast = forecast if keep_initial else forecast.isel(lead_time=ahead)
    fields = forecast.set_coords("valid_time").reset_coords("valid_time")

    for dim in ("member", "start"):
        if dim not in forecast.dims:
            lacking = {name: field for name, field in fields.data_vars.items() if "lead_time" in field.dims}
            if dim == "member":
                del lacking["valid_time"]  # all members have the same valid times
            fields = fields.assign({name: field.expand_dims(dim) for name, field in lacking.items()})

    return fields.set_coords("valid_time")


def _check_lead_times(forecast: xr.Dataset, source: str) -> None:
    for name in ("lead_time", "valid_time"):
        if name not in forecast.variables:
            raise InputError(
                f"{source}: coordinate '{name}' is missing; a forecast has lead_time (timedelta64) and valid_time"
            )

    if not np.issubdtype(forecast["lead_time"].dtype, np.timedelta64):
        raise InputError(f"{source}: lead_time must be timedelta64; got {forecast['lead_time'].dtype}")
    if "lead_time" not in forecast.dims:
        raise InputError(f"{source}: dimension 'lead_time' is missing; got {dict(forecast.sizes)}")


def _single_trajectory(truth: xr.Dataset) -> xr.Dataset:
    """Remove a dimension ``trajectory`` of length one."""
    if "time" not in truth.dims:
        raise InputError(f"truth: dimension 'time' is missing; got {dict(truth.sizes)}")
    if truth.sizes.get("trajectory", 1) > 1:
        raise InputError(
            f"truth: it holds {truth.sizes['trajectory']} trajectories; choose one with truth.isel(trajectory=...)"
        )

    return truth.squeeze("trajectory", drop=True) if "trajectory" in truth.dims else truth


def _valid_times(forecast: xr.Dataset, truth: xr.Dataset, source: str) -> Array:
    """Valid times of the forecast (start, lead_time), all of which the truth must contain."""
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
    """State variables that both datasets have; the others are named in one line of the log."""
    common = tuple(variable for variable in table.state if variable.name in forecast and variable.name in truth)
    here, there = ([one.name for one in table.state if one.name in dataset] for dataset in (forecast, truth))

    if not common:
        names = ", ".join(variable.name for variable in table.state)
        raise InputError(
            f"{source}: it has no state variable in common with the truth; it has {', '.join(here) or 'none'}, the "
            f"truth has {', '.join(there) or 'none'}; expected some of {names}"
        )

    scored = [variable.name for variable in common]
    lacking = {"the truth": set(here) - set(scored), f"the {source}": set(there) - set(scored)}
    left = [f"{', '.join(sorted(names))} ({owner} lacks it)" for owner, names in lacking.items() if names]
    if left:
        log.warning("scored: %s; left out: %s", ", ".join(scored), "; ".join(left))

    return common


def _common_mesh(forecast: xr.Dataset, truth: xr.Dataset, source: str) -> Mesh | None:
    """Mesh of the forecast or, if it has none, of the truth; two different meshes are an error."""
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
