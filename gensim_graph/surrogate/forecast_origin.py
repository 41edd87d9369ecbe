"""Origin of a forecast, as attributes of its dataset: which model made it, when, from which state and forcing.

The names follow CF (``source``, ``history``) and the conventions for data discovery (``date_created``).
"""

import hashlib
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import xarray as xr

from gensim_graph.surrogate.step_model import StepModel

FORECAST_MARK = "gensim-graph forecast"
"""CF ``source`` of a forecast."""


def provenance(model: StepModel, initial: str, forcing: str, seed: int, members: int) -> dict[str, str | int]:
    """Return the attributes of a forecast.

    Args:
        model: the surrogate.
        initial: origin of the initial state, in words.
        forcing: origin of the forcing, in words.
        seed: seed of the noise.
        members: number of members of the ensemble.
    """
    now, software = _now(), f"gensim-graph {_version()}"
    notes = {f"model_{key}": str(value) for key, value in model.information.items()}

    return {
        "Conventions": "CF-1.8 UGRID-1.0",
        "title": "ensemble forecast of the sea ice",
        "source": FORECAST_MARK,
        "history": f"{now}: forecast of {members} members by {software}",
        "date_created": now,
        "software": software,
        **notes,
        "model_name": model.name,
        "model_hash": model_hash(model),
        "model_evaluations": 1 if model.deterministic else model.sampler.evaluations,
        "initial_state": initial,
        "forcing": forcing,
        "seed": seed,
        "members": members,
        "precision": model.precision,
    }


def model_hash(model: StepModel) -> str:
    """Return a digest of weights, configuration, variable table, statistics and sampler: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(model.operator.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())

    parts = [
        asdict(model.operator.config),
        model.normaliser.table.to_dict(),
        model.normaliser.statistics.to_dict(),
        asdict(model.sampler),
        model.deterministic,
    ]
    digest.update(json.dumps(parts, sort_keys=True).encode())

    return digest.hexdigest()[:16]


def origin_of(ds: xr.Dataset) -> str:
    """Return the file that a dataset was read from, or words for one that was made in memory."""
    return str(ds.encoding.get("source") or ds.attrs.get("origin") or "dataset in memory")


def _now() -> str:
    """Time in UTC; SOURCE_DATE_EPOCH (seconds since 1970) sets it, so that a forecast can be repeated byte for byte."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _version() -> str:
    try:
        return version("gensim-graph")
    except PackageNotFoundError:  # run from a copy that was never installed
        return "(not installed)"
