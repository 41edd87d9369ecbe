r"""Extent, area and volume of the ice, and where its edge is.

============================ ====================================================================================
extent, area, volume         area with a concentration above 15 %; integrals of concentration and of thickness
overestimate, underestimate  area with ice in the forecast alone, and in the truth alone, O and U
iiee                         integrated ice-edge error O + U (Goessling et al. 2016, doi 10.1002/2015GL067232)
extent_part, misplacement    its parts: error of the extent, abs(O - U), and ice in the wrong place, 2 min(O, U)
sps                          spatial probability score, int (p - o)^2 dA, p the share of members with ice (Goessling and
                             Jung 2018, doi 10.1002/qj.3242); equal to iiee for one member
edge_length                  length of the line of 15 %
edge_distance                mean of the mean distances from the edge of the forecast to that of the truth and back
edge_hausdorff               the larger of the two, the modified Hausdorff distance (Dubuisson and Jain 1994;
                             Dukhovskoy et al. 2015, doi 10.1002/2015JC010989)
miz_area, miz_width          area with 15 to 80 %; that area over the mean length of the lines of 15 % and 80 %
============================ ====================================================================================

The width is exact for bands and rings. Where there are several members each score is the mean of theirs; the row
``<name>, median`` is of the edge that half of the members agree on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import ends, redraw, starts_only
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import ICE_EDGE, TRUTH, Step, Tally, by_model, tabulate
from gensim_graph.mesh.operators import Contour, ContourFinder
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

PACK = 0.80
"""Concentration from which on the ice is no marginal ice zone."""

KM2, KM3 = 1e-6, 1e-9
_AMOUNTS = ("extent", "area", "volume")
_SCORES = (
    "overestimate",
    "underestimate",
    "iiee",
    "extent_part",
    "misplacement",
    "sps",
    "edge_distance",
    "edge_hausdorff",
)
_EDGE = ("edge_length", "miz_area", "miz_width")
_ERRORS = tuple(f"{name}_error" for name in _AMOUNTS)
ICE_WITH_INTERVAL = (*_ERRORS, "iiee", "misplacement", "edge_distance")
ICE_COLUMNS = (
    *("model", "lead_hours", *_AMOUNTS, *_ERRORS, *_SCORES, *_EDGE),
    *(f"{name}_{end}" for name in ICE_WITH_INTERVAL for end in ("low", "high")),
)


def ice_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Amounts of ice and scores of its edge, per model and lead time, means over the starts.

    Returns:
        Columns ``ICE_COLUMNS``: extents and areas in km2, volumes in km3, lengths in km. ``_error`` is forecast minus
        truth. Intervals are over starts, NaN where these are few: an edge is one thing, of which no parts can be
        drawn. Empty where there is no concentration.
    """
    return tabulate(models, IceTally(next(iter(models.values()))))


class IceTally(Tally):
    """Gathers :func:`ice_scores`."""

    def __init__(self, matched: Verification) -> None:
        self._sampling = starts_only(matched)
        self._rows: dict[tuple[str, float], list[dict[str, float]]] = {}
        self._finder = ContourFinder(matched.mesh) if matched.mesh is not None else None
        self._truth: list[Contour] = []

    def add(self, step: Step) -> None:
        """Add a step."""
        if not step.matched.has("sic"):
            return

        areas = step.matched.areas
        nodes = self._finder.to_nodes(step["sic"]) if self._finder else None
        members = [self._member(step, number, nodes) for number in range(len(step["sic"]))]

        if step.truth is None:
            self._truth = members[0][1]
            self._keep(TRUTH, step.hours, members[0][0])
            return

        icy, truth = step["sic"] > ICE_EDGE, step.ice
        amounts = self._rows[TRUTH, step.hours][-1]
        shared = {"sps": KM2 * float(areas @ (icy.mean(axis=0) - truth) ** 2)}
        rows = []
        for (row, lines), ice in zip(members, icy, strict=True):
            rows.append(row | _errors(row, amounts) | iiee(ice, truth, areas) | distances(lines, self._truth) | shared)

        self._keep(step.model, step.hours, _mean(rows))
        if len(rows) > 1:
            median = icy.mean(axis=0) > 0.5
            extent = {"extent": KM2 * float(areas @ median)}
            row = extent | _errors(extent, amounts) | iiee(median, truth, areas) | shared
            self._keep(f"{step.model}, median", step.hours, row)

    def _member(self, step: Step, number: int, nodes: Array | None) -> tuple[dict[str, float], list[Contour]]:
        """Amounts and edge of one member, and its line of 15 %; ``nodes`` are concentrations (member, node)."""
        sic, areas = step["sic"][number], step.matched.areas
        row = {"extent": KM2 * float(areas @ (sic > ICE_EDGE)), "area": KM2 * float(areas @ sic)}
        if step.matched.has("sit"):
            row["volume"] = KM3 * float(areas @ step["sit"][number])

        row["miz_area"] = KM2 * float(areas @ ((sic > ICE_EDGE) & (sic < PACK)))
        if self._finder is None or nodes is None:
            return row, []

        edge, pack = (self._finder(nodes[number], level) for level in (ICE_EDGE, PACK))
        row["edge_length"] = KM_PER_METRE * edge.length
        both = KM_PER_METRE * (edge.length + pack.length)
        row["miz_width"] = 2 * row["miz_area"] / both if both > 0 else float("nan")

        return row, [edge]

    def _keep(self, model: str, hours: float, row: dict[str, float]) -> None:
        self._rows.setdefault((model, hours), []).append(row)

    def table(self) -> pd.DataFrame:
        """See :func:`ice_scores`."""
        rows = [self._row(model, hours, of_starts) for (model, hours), of_starts in self._rows.items()]
        return by_model(pd.DataFrame(rows, columns=[*ICE_COLUMNS]))

    def _row(self, model: str, hours: float, of_starts: list[dict[str, float]]) -> dict[str, Any]:
        row = {"model": model, "lead_hours": hours} | _mean(of_starts)
        for name in ICE_WITH_INTERVAL:
            values = np.array([start.get(name, np.nan) for start in of_starts])
            means = redraw(values, self._sampling) / redraw(np.ones(len(values)), self._sampling)
            row |= {f"{name}_{end}": float(value) for end, value in zip(("low", "high"), ends(means), strict=True)}

        return row


def iiee(forecast: Array, truth: Array, areas: Array) -> dict[str, float]:
    """Integrated ice-edge error and its parts, km2, of ice or none (F) on faces of some areas (F) m2."""
    over, under = (KM2 * float(areas @ where) for where in (forecast & ~truth, truth & ~forecast))
    return {
        "overestimate": over,
        "underestimate": under,
        "iiee": over + under,
        "extent_part": abs(over - under),
        "misplacement": 2 * min(over, under),
    }


def distances(forecast: list[Contour], truth: list[Contour]) -> dict[str, float]:
    """Distance of two edges, km; nothing where there is no mesh."""
    if not forecast or not truth:
        return {}
    there, back = KM_PER_METRE * forecast[0].mean_distance(truth[0]), KM_PER_METRE * truth[0].mean_distance(forecast[0])
    return {"edge_distance": (there + back) / 2, "edge_hausdorff": max(there, back)}


def _errors(row: Mapping[str, float], truth: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_error": row[name] - truth[name] for name in _AMOUNTS if name in row}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over those that have a value."""
    means = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        known = values[np.isfinite(values)]
        means[name] = float(known.mean()) if len(known) else float("nan")

    return means
