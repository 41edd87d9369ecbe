"""Truths of both kinds: complete fields of a model, and observations with gaps, means, displacements or other grids.

A complete truth has values at every face and every valid time, and gets all scores. Anything else is compared as
observations, where it has values.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import match
from gensim_graph.evaluate.observations import ObservedProduct, is_product, open_observations
from gensim_graph.evaluate.scored_variables import scored_table
from gensim_graph.io import Source, expand, has_topology, mesh_from_dataset, open_store
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truths:
    """Truths that belong to one forecast.

    Attributes:
        model: complete fields (time, face); None if there are only observations.
        observations: all others.
    """

    model: xr.Dataset | None = None
    observations: list[ObservedProduct] = field(default_factory=list)


def open_truths(sources: Sequence[Source], forecast: xr.Dataset, variables: VariableTable | None = None) -> Truths:
    """Read truths, and tell the fields of a model from observations.

    A source is a complete truth if it has the valid times of the forecast and no gaps. Other sources are read as
    observations; a line in the log says why.

    Args:
        sources: files, glob patterns, folders or datasets.
        forecast: dims ([start], [member], lead_time, face), with its mesh.
        variables: its state variables are compared; by default those of the table that ships and the further ones of
            the forecast.

    Raises:
        InputError: a source is neither, two are complete truths, or none has one of the variables.
    """
    table = scored_table(forecast, variables)
    model, name, observations = None, "", []

    for source in sources:
        complete = None if _is_product(source) else _complete_truth(source, forecast, table)
        if isinstance(complete, xr.Dataset):
            if model is not None:
                raise InputError(f"{name} and {source} are both complete truths; give one, the others with --baseline")
            model, name = complete, str(source)
            continue

        observations += _observations(source, forecast, table, complete)

    if model is None and not observations:
        names = ", ".join(variable.name for variable in table.state)
        raise InputError(
            f"no truth has one of the chosen variables ({names}); give another --truth or other --variables"
        )

    return Truths(model, observations)


def _is_product(source: Source) -> bool:
    """Return True if the first file of a source has signs of observations: displacements, flags, uncertainties."""
    first = expand(source)[0]
    if isinstance(first, xr.Dataset):
        return is_product(first)

    path = FilePath(first)
    if not path.exists() or not is_dataset(path):
        return False
    try:
        with opened_dataset(path) as stored:
            return is_product(stored)
    except InputError:
        return False  # the reader that opens it next reports the damage


def _complete_truth(source: Source, forecast: xr.Dataset, table: VariableTable) -> xr.Dataset | InputError:
    """Complete fields of a source, or the reason why it has none."""
    mesh = mesh_from_dataset(forecast) if has_topology(forecast) else None
    try:
        truth = open_store(source, mesh, table)
        match(forecast, truth, table)
    except InputError as error:
        return error

    return truth


def _observations(
    source: Source, forecast: xr.Dataset, table: VariableTable, reason: InputError | None
) -> list[ObservedProduct]:
    """Observations of a source, of the variables in the table."""
    try:
        found = open_observations(source, forecast)
    except InputError as error:
        if reason is None or isinstance(source, xr.Dataset):
            raise
        raise InputError(f"{reason}. As observations it cannot be compared either: {error}") from None

    if reason is not None:
        log.warning("compared as observations, not as a complete truth: %s", reason)

    names = {variable.name for variable in table.state}
    chosen = [replace(one, fields={key: field for key, field in one.fields.items() if key in names}) for one in found]
    left = [one.name for one in chosen if not one.fields]
    if left:
        log.warning("%s: left out, it has none of the chosen variables (%s)", ", ".join(left), ", ".join(sorted(names)))

    return [one for one in chosen if one.fields]
