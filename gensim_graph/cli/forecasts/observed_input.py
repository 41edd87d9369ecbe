"""Observations of a command: read, made fewer, and checked: some of them must lie on the mesh and in the times."""

import logging
from dataclasses import replace

import numpy as np

from gensim_graph.assimilate import ObservationOperator, ObservationReport, Observations
from gensim_graph.cli.forecasts.forecast_setup import ForecastSetup
from gensim_graph.errors import InputError, naming
from gensim_graph.units import KM_PER_METRE

log = logging.getLogger(__name__)


def read_observed(
    sources: list[str],
    setup: ForecastSetup,
    steps: int,
    error: list[str] | None = None,
    thin: float | None = None,
    average: bool = True,
) -> Observations:
    """Read the observations of a forecast, and log how many are used and why not the others.

    Args:
        sources: files, folders or patterns.
        setup: of the forecast.
        steps: its length.
        error: option ``--error``.
        thin: km, smallest distance of observations of the same variable and time; None keeps all.
        average: average the observations of a variable and time in each cell.

    Raises:
        InputError: they cannot be read, or none can be used.
    """
    table = setup.model.normaliser.table
    errors = numbers_by_variable("error", error)
    observations = Observations.read(list(sources), setup.mesh, errors, table)
    total = len(observations)

    if thin is not None:
        with naming("--thin"):
            observations = observations.thinned(thin / KM_PER_METRE)
    if average:
        observations = observations.averaged(setup.mesh)
    if len(observations) < total:
        log.info("%d observations became %d: thinned, or averaged in cells", total, len(observations))

    _check_used(observations, setup, steps)
    return observations


def _check_used(observations: Observations, setup: ForecastSetup, steps: int) -> None:
    """Log which observations are used, for each start; raise an error if it is none."""
    length = steps * setup.model.lead_time
    windows = [(start, start + length) for start in np.atleast_1d(setup.state["time"].values)]
    reports = [used_in(observations, setup, *window) for window in windows]
    if not any(report.used for report in reports):
        first, last = (np.datetime_as_string(one, "m") for one in (windows[0][0], windows[-1][1]))
        raise InputError(
            f"there is nothing to assimilate: {reports[0]}. The forecast runs from {first} to {last}; {observations!r}"
        )

    for (start, _), report in zip(windows, reports, strict=True):
        where = f"start {np.datetime_as_string(start, 'm')}: " if len(windows) > 1 else ""
        log.log(logging.INFO if report.used else logging.WARNING, "%s%s", where, report)


def used_in(
    observations: Observations, setup: ForecastSetup, start: np.datetime64, end: np.datetime64
) -> ObservationReport:
    """Return how many observations a forecast uses, and why not the others.

    Args:
        observations: all of them.
        setup: of the forecast.
        start: its first time; observations at it come too late.
        end: its last time.
    """
    # Their footprints do not matter for this, and large ones take long.
    points = replace(observations, rows=observations.rows.assign(footprint=0.0))
    present = [variable.name for _, variable in setup.model.forecast_variables]
    table = setup.model.normaliser.table

    return ObservationOperator.of(setup.mesh, points, table, present=present, window=(start, end)).report


def numbers_by_variable(option: str, texts: list[str] | None) -> float | dict[str, float] | None:
    """Return one number, or numbers by variable.

    Args:
        option: its name, without dashes.
        texts: as the user gave them: one number, or ``NAME=NUMBER,...``; None for none.

    Raises:
        InputError: neither of these.

    Example:
        >>> from gensim_graph.cli.forecasts.observed_input import numbers_by_variable
        >>> numbers_by_variable("error", ["sic=0.05,siu=0.02"]), numbers_by_variable("error", ["0.1"])
        ({'sic': 0.05, 'siu': 0.02}, 0.1)
    """
    parts = [part.strip() for text in texts or [] for part in text.split(",")]
    if not parts:
        return None

    try:
        if len(parts) == 1 and "=" not in parts[0]:
            return float(parts[0])
        pairs = [part.split("=") for part in parts]
        return {name.strip(): float(number) for name, number in pairs}
    except ValueError:
        raise InputError(
            f"--{option} {','.join(parts)}: expected one number, or numbers by variable such as sic=0.05,siu=0.02"
        ) from None
