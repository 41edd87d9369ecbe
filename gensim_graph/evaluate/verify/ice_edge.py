r"""Extent, area and volume of the ice, and position of its edge.

============================ ====================================================================================
extent, area, volume         area with a concentration above 15 %; integral of the concentration; integral of the
                             thickness
overestimate, underestimate  area with ice in the forecast alone, O, and in the truth alone, U
iiee                         integrated ice-edge error O + U (Goessling et al. 2016, doi 10.1002/2015GL067232)
extent_part, misplacement    its parts: error of the extent, abs(O - U), and ice in the wrong place, 2 min(O, U)
sps                          spatial probability score, int (p - o)^2 dA: p is the share of members with ice, o is 1
                             where the truth has ice (Goessling and Jung 2018, doi 10.1002/qj.3242); equal to iiee for
                             one member
edge_length                  length of the 15 % contour
edge_distance                average of two mean distances: from the edge of the forecast to that of the truth, and back
edge_hausdorff               the larger of the two, the modified Hausdorff distance (Dubuisson and Jain 1994;
                             Dukhovskoy et al. 2015, doi 10.1002/2015JC010989)
miz_area, miz_width          marginal ice zone: area with 15 to 80 %; this area over the mean length of the 15 % and
                             80 % contours, which is exact for bands and rings
============================ ====================================================================================

With several members, each score is the mean over the members. The row ``<name>, median`` scores the median edge: ice
where more than half of the members have ice.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import interval_ends, redraw, starts_only
from gensim_graph.evaluate.tally import ICE_EDGE, PACK, TRUTH, Step, Tally, by_model, tabulate
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh.operators import Contour, ContourFinder
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE

KM2_PER_M2, KM3_PER_M3 = 1e-6, 1e-9

_AMOUNTS = ("extent", "area", "volume")
_ERRORS = tuple(f"{name}_error" for name in _AMOUNTS)
_EDGE_SCORES = (
    *("overestimate", "underestimate", "iiee", "extent_part", "misplacement", "sps"),
    *("edge_distance", "edge_hausdorff", "edge_length", "miz_area", "miz_width"),
)
_WITH_INTERVAL = (*_ERRORS, "iiee", "misplacement", "edge_distance")
_COLUMNS = (
    *("model", "lead_hours", *_AMOUNTS, *_ERRORS, *_EDGE_SCORES),
    *(f"{name}_{end}" for name in _WITH_INTERVAL for end in ("low", "high")),
)


def ice_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Compute amounts of ice and scores of its edge per model and lead time, means over the starts.

    Args:
        models: name -> a forecast with ``sic``, and ``sit`` for volumes, beside the truth, all with the same valid
            times. Lengths and distances need the mesh.

    Returns:
        Columns model, lead_hours; extent, area (km2), volume (km3), and extent_error, area_error, volume_error
        (forecast minus truth); overestimate, underestimate, iiee, extent_part, misplacement, sps, miz_area (km2);
        edge_distance, edge_hausdorff, edge_length, miz_width (km). ``_low`` and ``_high`` are the ends of bootstrap
        intervals over the starts, NaN if there are few: an edge is one line and cannot be cut into blocks. The scores
        are defined in :mod:`~gensim_graph.evaluate.verify.ice_edge`. Empty if there is no concentration.

    Raises:
        InputError: a value is not finite.

    Example:
        Three faces, of which the forecast has one with ice too many:

        >>> import numpy as np, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import ice_scores, match_models, persistence
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> truth = xr.Dataset({"sic": (("time", "face"), [[1.0, 0.5, 0.0], [1.0, 0.1, 0.0]])}, {"time": times})
        >>> forecast = persistence(truth.isel(time=0), [np.timedelta64(12, "h")])
        >>> models = match_models(forecast, truth, gg.default_variables(), areas=np.array([4e6, 2e6, 1e6]))
        >>> ice_scores(models)[["model", "extent", "area", "extent_error", "iiee", "misplacement"]]
              model  extent  area  extent_error  iiee  misplacement
        0     truth     4.0   4.2           NaN   NaN           NaN
        1  forecast     6.0   5.0           2.0   2.0           0.0
    """
    return tabulate(models, IceTally(next(iter(models.values()))))


class IceTally(Tally):
    """Gather :func:`ice_scores`.

    Args:
        matched: the forecast beside the truth.
    """

    def __init__(self, matched: Verification) -> None:
        self._sampling = starts_only(matched)
        self._rows: dict[tuple[str, float], list[dict[str, float]]] = {}
        self._finder = ContourFinder(matched.mesh) if matched.mesh is not None else None
        self._true_edge: list[Contour] = []

    def add(self, step: Step) -> None:
        """Add a step."""
        if not step.matched.has("sic"):
            return

        at_nodes = self._finder.to_nodes(step["sic"]) if self._finder else None
        members = [self._amounts_and_edge(step, number, at_nodes) for number in range(len(step["sic"]))]

        if step.truth is None:
            amounts, self._true_edge = members[0]
            self._add_row(TRUTH, step.hours, amounts)
        else:
            self._add_scores(step, members)

    def _add_scores(self, step: Step, members: list[tuple[dict[str, float], list[Contour]]]) -> None:
        """Add the mean score of the members and, if there are several, the scores of their median edge."""
        areas = step.matched.areas
        ice, true_ice = step["sic"] > ICE_EDGE, step.ice
        true_amounts = self._rows[TRUTH, step.hours][-1]
        sps = {"sps": KM2_PER_M2 * float(areas @ (ice.mean(axis=0) - true_ice) ** 2)}
        rows = []

        for (amounts, edge), member_ice in zip(members, ice, strict=True):
            row = amounts | _amount_errors(amounts, true_amounts)
            row |= iiee(member_ice, true_ice, areas) | edge_distances(edge, self._true_edge) | sps
            rows.append(row)

        self._add_row(step.model, step.hours, _mean_row(rows))

        if len(rows) > 1:
            median = ice.mean(axis=0) > 0.5
            extent = {"extent": KM2_PER_M2 * float(areas @ median)}
            row = extent | _amount_errors(extent, true_amounts) | iiee(median, true_ice, areas) | sps
            self._add_row(f"{step.model}, median", step.hours, row)

    def _amounts_and_edge(
        self, step: Step, number: int, at_nodes: Array | None
    ) -> tuple[dict[str, float], list[Contour]]:
        """Amounts of ice of one member, and its 15 % contour if there is a mesh; ``at_nodes``: (member, node)."""
        sic, areas = step["sic"][number], step.matched.areas
        row = {
            "extent": KM2_PER_M2 * float(areas @ (sic > ICE_EDGE)),
            "area": KM2_PER_M2 * float(areas @ sic),
        }
        if step.matched.has("sit"):
            row["volume"] = KM3_PER_M3 * float(areas @ step["sit"][number])

        row["miz_area"] = KM2_PER_M2 * float(areas @ ((sic > ICE_EDGE) & (sic < PACK)))
        if self._finder is None or at_nodes is None:
            return row, []

        edge = self._finder(at_nodes[number], ICE_EDGE)
        pack = self._finder(at_nodes[number], PACK)
        both = KM_PER_METRE * (edge.length + pack.length)
        row["edge_length"] = KM_PER_METRE * edge.length
        row["miz_width"] = 2 * row["miz_area"] / both if both > 0 else float("nan")

        return row, [edge]

    def _add_row(self, model: str, hours: float, row: dict[str, float]) -> None:
        self._rows.setdefault((model, hours), []).append(row)

    def table(self) -> pd.DataFrame:
        """Return the table of :func:`ice_scores`."""
        rows = [self._mean_over_starts(model, hours, starts) for (model, hours), starts in self._rows.items()]
        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))

    def _mean_over_starts(self, model: str, hours: float, starts: list[dict[str, float]]) -> dict[str, Any]:
        row = {"model": model, "lead_hours": hours} | _mean_row(starts)
        for name in _WITH_INTERVAL:
            values = np.array([start.get(name, np.nan) for start in starts])
            means = redraw(values, self._sampling) / redraw(np.ones(len(values)), self._sampling)
            low, high = interval_ends(means)
            row |= {f"{name}_low": float(low), f"{name}_high": float(high)}

        return row


def iiee(forecast: Array, truth: Array, areas: Array) -> dict[str, float]:
    """Compute the integrated ice-edge error and its parts, km2.

    Args:
        forecast: (F,) True where the forecast has ice.
        truth: (F,) True where the truth has ice.
        areas: (F,) m2.
    """
    over = KM2_PER_M2 * float(areas @ (forecast & ~truth))
    under = KM2_PER_M2 * float(areas @ (truth & ~forecast))

    return {
        "overestimate": over,
        "underestimate": under,
        "iiee": over + under,
        "extent_part": abs(over - under),
        "misplacement": 2 * min(over, under),
    }


def edge_distances(forecast: list[Contour], truth: list[Contour]) -> dict[str, float]:
    """Compute the distances of two edges, km; without a mesh there are none.

    Args:
        forecast: edge of the forecast; empty without a mesh.
        truth: edge of the truth; empty without a mesh.
    """
    if not forecast or not truth:
        return {}

    there = KM_PER_METRE * forecast[0].mean_distance(truth[0])
    back = KM_PER_METRE * truth[0].mean_distance(forecast[0])

    return {"edge_distance": (there + back) / 2, "edge_hausdorff": max(there, back)}


def _amount_errors(amounts: Mapping[str, float], truth: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_error": amounts[name] - truth[name] for name in _AMOUNTS if name in amounts}


def _mean_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each score over the rows in which it is finite."""
    means = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        known = values[np.isfinite(values)]
        means[name] = float(known.mean()) if len(known) else float("nan")

    return means
