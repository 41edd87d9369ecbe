"""The chapter of the comparison with observations, and the facts of a page that has no other truth."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.evaluate.pictures import lead_time_chart
from gensim_graph.evaluate.report.parts import Part, Picture, Text, number_table
from gensim_graph.mesh import Mesh
from gensim_graph.units import KM_PER_METRE

_SCORES = {
    "source": "product",
    "model": "model",
    "variable": "variable",
    "lead_hours": "lead time (h)",
    "n": "values",
    "rmse": "RMSE",
    "bias": "bias",
    "crps": "CRPS",
    "spread": "spread",
    "observation_error": "error of the product",
    "spread_error": "spread-error",
}
_EDGE = {
    "source": "product",
    "model": "model",
    "lead_hours": "lead time (h)",
    "extent": "extent",
    "observed_extent": "observed extent",
    "overestimate": "ice too much",
    "underestimate": "ice too little",
    "iiee": "IIEE",
}
_DRIFT = {
    "source": "product",
    "model": "model",
    "units": "units",
    "lead_hours": "lead time (h)",
    "n": "vectors",
    "vector_rmse": "vector RMSE",
    "length": "length",
    "observed_length": "observed length",
    "veering": "veering (degrees, positive to the left)",
    "correlation": "correlation",
}
_CURVES = {"rmse": "RMSE", "crps": "CRPS", "spread_error": "spread-error ratio"}


def observation_chapter(tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield what was compared, curves and tables of the scores; nothing without observations.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.score_observations`, among others.
    """
    if "observations" not in tables:
        return

    for row in tables["observed_sources"].to_dict("records"):
        left = f" Left out: {row['left_out']}." if row["left_out"] else ""
        yield Text(
            f"{row['used']} observed values were used; {row['done']}.{left}", f"{row['source']}: {row['variable']}"
        )

    yield from _curves(tables["observations"])
    caption = (
        "Scores against observations, in the units of the variable (drift_x, drift_y: km). The spread-error ratio is "
        "one if the spread of the ensemble and the error of the product together explain the error of the forecast"
    )
    yield number_table(caption, _SCORES, tables["observations"].to_dict("records"), 3)

    for name, heads, text in (
        ("observed_edge", _EDGE, "Ice edge (15 %) where the product has values, km²; IIEE: integrated ice-edge error"),
        ("observed_drift", _DRIFT, "Drift vectors of the ensemble mean and their length"),
    ):
        if not tables[name].empty:
            labels = 3 if name == "observed_drift" else 2
            yield number_table(text, heads, tables[name].to_dict("records"), labels)


def _curves(scores: pd.DataFrame) -> Iterator[Picture]:
    """Curves over lead time of each product and variable with several lead times."""
    for (source, variable), rows in scores.groupby(["source", "variable"], sort=False):
        if rows["lead_hours"].nunique() < 2:
            continue

        shown = {name: title for name, title in _CURVES.items() if rows[name].notna().any()}
        yield Picture(
            lead_time_chart(rows, shown, columns=3, zero=("rmse", "crps")),
            f"{variable} against {source}",
            "Over the lead time at which the observations lie.",
            f"Curves of {', '.join(shown.values())} of {variable} over lead time.",
        )


def observation_facts(forecast: xr.Dataset, mesh: Mesh) -> dict[str, str]:
    """Describe a forecast that is compared with observations only: label -> text.

    Args:
        forecast: dims ([start], [member], lead_time, face).
        mesh: its mesh.
    """
    times = forecast["valid_time"].values
    first, last = (np.datetime_as_string(time, unit="m").replace("T", " ") for time in (times.min(), times.max()))
    spacing = np.median(mesh.spacing) * KM_PER_METRE

    return {
        "Starts": str(forecast.sizes.get("start", 1)),
        "Valid times": f"{first} to {last}",
        "Members": str(forecast.sizes.get("member", 1)),
        "Truth": "observations",
        "Mesh": f"{mesh.n_faces:,} faces, median spacing {spacing:.3g} km, hash {mesh.hash[:12]}",
    }
