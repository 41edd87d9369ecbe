"""Chapters that verify the ensemble, the ice edge and the drift against the truth."""

from collections.abc import Iterator, Mapping

import pandas as pd

from gensim_graph.evaluate.pictures import calibration_chart, lead_time_chart
from gensim_graph.evaluate.report.parts import Part, Picture, number_table


def ensemble_chapter(tables: Mapping[str, pd.DataFrame], words: Mapping[str, str]) -> Iterator[Part]:
    """Yield the calibration of the ensemble; nothing for a single member.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
        words: variable -> its meaning.
    """
    if not (tables["ranks"]["model"] == "forecast").any():
        return

    yield Picture(
        calibration_chart(tables["ranks"], tables["spread_error"], tables["reliability"], words),
        "Calibration",
        "Above: rank of the truth among the members. A flat histogram (dotted) is calibrated, a U shape means too "
        "little spread, a slope means a bias. Below: error by spread, on the diagonal where the spread predicts the "
        "error. Last: observed frequency of ice by forecast probability.",
        "Rank histograms and error by spread for each variable, and the reliability of the probability of ice, at the "
        "first and the last lead time.",
    )

    if tables["brier"].empty:
        return

    heads = {
        "model": "model",
        "lead_hours": "lead time (h)",
        "brier": "Brier score",
        "reliability": "reliability",
        "resolution": "resolution",
        "uncertainty": "uncertainty",
        "fair_brier": "fair Brier score",
    }
    caption = (
        "Brier score of the probability of ice (above 15 %): reliability (0 is best) minus resolution plus uncertainty"
    )
    yield number_table(caption, heads, tables["brier"].to_dict("records"), folded="Table of Brier scores")


def ice_chapter(tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield extent, volume and edge of the ice; nothing without a concentration."""
    ice = tables["ice"]
    if ice.empty:
        return

    titles = {
        "extent": "extent (km²)",
        "area": "area (km²)",
        "volume": "volume (km³)",
        "iiee": "IIEE (km²)",
        "misplacement": "misplaced ice (km²)",
        "sps": "spatial probability score (km²)",
        "edge_distance": "distance of ice edges (km)",
        "edge_length": "length of the edge (km)",
        "miz_width": "width of the marginal ice zone (km)",
    }
    titles = {name: title for name, title in titles.items() if ice[name].notna().any()}

    yield Picture(
        lead_time_chart(ice, titles, zero=("iiee", "misplacement", "sps", "edge_distance")),
        "Extent, volume and ice edge",
        "IIEE, the integrated ice-edge error, is the area where only one of truth and forecast has ice (above 15 %). "
        "Its part due to ice in the wrong place is called misplaced. Means over the members; the median is the edge "
        "that half of the members agree on.",
        f"Curves over lead time of {', '.join(titles.values())}, for truth and models.",
    )

    heads = {"model": "model", "lead_hours": "lead time (h)"} | titles
    heads |= {"overestimate": "too much ice (km²)", "underestimate": "too little ice (km²)"}
    folded = "Table of the ice and its edge, also in ice.csv"
    yield number_table("Ice and its edge", heads, ice.to_dict("records"), folded=folded)


def drift_chapter(tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield speed and direction of the drift, and virtual buoys; nothing without a drift."""
    drift = tables["drift"]
    on_ice = drift[drift["where"] == "ice"]
    if not on_ice["speed"].notna().any():
        return

    titles = {
        "vector_rmse": "vector error (m s⁻¹)",
        "speed_bias": "speed bias (m s⁻¹)",
        "angle_mae": "angle error (degrees)",
        "correlation": "complex correlation",
    }
    yield Picture(
        lead_time_chart(on_ice, titles, columns=4, zero=("vector_rmse", "angle_mae")),
        "Speed and direction",
        "Where the truth has ice. Members are scored one by one and averaged; dashed lines are their mean drift.",
        f"Curves over lead time of {', '.join(titles.values())} of the drift.",
    )

    if not tables["buoys"].empty:
        yield _buoy_picture(tables["buoys"])


def _buoy_picture(buoys: pd.DataFrame) -> Picture:
    titles = {
        "separation": "separation (km)",
        "mean_separation": "separation of the mean (km)",
        "skill": "skill (Liu and Weisberg 2011)",
    }
    return Picture(
        lead_time_chart(buoys, titles, zero=("separation", "mean_separation")),
        "Virtual buoys",
        "Buoys are placed at the same points in truth and forecast, and drift with each. A skill of one is perfect; at "
        "a skill of zero the separation is as long as the path of the true buoys. Averaged over the buoys, their "
        f"displacement is {buoys['displacement'].max():.3g} km at most.",
        "Curves over lead time of the separation of forecast and true buoys, and of their skill.",
    )
