"""Tables of a report that judge: better or worse than persistence, too narrow or too wide, within bounds or not."""

import math
from collections.abc import Sequence

import pandas as pd

from gensim_graph.evaluate.pictures import pretty_units
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.report.page import Cell, Table, number
from gensim_graph.variables import Variable

NARROW, WIDE = 0.8, 1.25
"""A spread-skill ratio between these is called consistent."""

MOST_LEADS = 8
"""Columns of lead times in a table."""

_ALL = {
    **{"model": "model", "variable": "variable", "units": "units", "lead_hours": "lead time (h)"},
    **{"rmse": "RMSE", "bias": "bias", "mae": "MAE", "crps": "CRPS", "spread": "spread"},
    **{"spread_skill": "spread-skill", "acc": "anomaly correlation", "rmse_ice": "RMSE on ice"},
    "out_of_bounds": "out of bounds",
}


def some_leads(hours: Sequence[float]) -> list[float]:
    """At most ``MOST_LEADS`` of the lead times, first and last among them."""
    count = min(len(hours), MOST_LEADS)
    return [hours[round(position * (len(hours) - 1) / max(count - 1, 1))] for position in range(count)]


def skill(scores: pd.DataFrame) -> Table | None:
    """RMSE over that of persistence, a row a variable and model; None without persistence."""
    rows, leads = [], some_leads(sorted(scores["lead_hours"].unique()))
    if "persistence" not in set(scores["model"]):
        return None

    for variable in scores["variable"].unique():
        for model in (name for name in scores["model"].unique() if name != "persistence"):
            of_both = scores[(scores["variable"] == variable) & (scores["model"] == model)].set_index("lead_hours")
            cells = [_ratio(of_both.loc[lead].to_dict()) for lead in leads]
            rows.append([Cell(variable), Cell(model), *cells])

    heads = ["variable", "model", *(f"{lead:g} h" for lead in leads)]
    return Table("RMSE of the ensemble mean over that of persistence, with its interval of 90 %", heads, rows, 2)


def _ratio(row: dict) -> Cell:
    ratio, low, high = (float(row[f"rmse_ratio{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(ratio):
        return Cell("–", "no change")

    sure = math.isnan(low) or not low <= 1 <= high
    word = ("better" if ratio < 1 else "worse") if sure else "no clear difference"
    span = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"

    return Cell(f"{ratio:.2f}", word + span, ("good" if ratio < 1 else "bad") if sure else "")


def consistency(scores: pd.DataFrame) -> Table | None:
    """Spread-skill ratio of the forecast, a row a variable; None for one member."""
    own = scores[scores["model"] == "forecast"]
    if not own["spread_skill"].notna().any():
        return None

    leads = some_leads(sorted(own["lead_hours"].unique()))
    rows = []

    for variable, of_variable in own.groupby("variable", sort=False):
        by_lead = of_variable.set_index("lead_hours")["spread_skill"]
        rows.append([Cell(str(variable)), *(_verdict(float(by_lead[lead])) for lead in leads)])

    return Table("Spread-skill ratio of the forecast, per lead time", ["variable", *(f"{x:g} h" for x in leads)], rows)


def _verdict(ratio: float) -> Cell:
    if math.isnan(ratio):
        return Cell("–", "no change")
    if NARROW <= ratio <= WIDE:
        return Cell(f"{ratio:.2f}", "consistent", "good")
    return Cell(f"{ratio:.2f}", "too narrow" if ratio < NARROW else "too wide", "bad")


def bounds(scores: pd.DataFrame, matched: Verification) -> Table:
    """The largest share of values beyond the bounds of a variable, over the lead times of the forecast."""
    largest = scores[scores["model"] == "forecast"].groupby("variable")["out_of_bounds"].max()
    rows = []

    for variable in (variable for variable in matched.variables if variable.is_bounded):
        share = float(largest[variable.name])
        verdict = ("all within bounds", "good") if share == 0 else ("beyond bounds", "bad")
        rows.append([Cell(variable.name), Cell(_limits(variable)), Cell(number(share), *verdict)])  # type: ignore[arg-type]

    caption = "Values of the forecast beyond the bounds of a variable, over all members, starts and lead times"
    return Table(caption, ["variable", "bounds", "largest share"], rows)


def _limits(variable: Variable) -> str:
    ends = [f"{bound:g}" for bound in (variable.lower, variable.upper) if math.isfinite(bound)]
    word = "" if len(ends) == 2 else "at least " if math.isfinite(variable.lower) else "at most "
    return f"{word}{' to '.join(ends)} {pretty_units(variable.units)}".rstrip()


def all_scores(scores: pd.DataFrame, matched: Verification) -> Table:
    """Every score of every model, folded."""
    units = {variable.name: pretty_units(variable.units) or "1" for variable in matched.variables}
    rows = scores.assign(units=scores["variable"].map(units)).to_dict("records")
    cells = [[Cell(number(row[name])) for name in _ALL] for row in rows]
    caption = "RMSE, bias, MAE, CRPS and spread in the units of the variable"
    return Table(caption, [*_ALL.values()], cells, 3, "Table of all scores, also in scores.csv and scores.json")
