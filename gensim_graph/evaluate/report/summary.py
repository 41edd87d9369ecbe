"""Tables that judge the scores: better or worse than persistence, spread too small or too large, within bounds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gensim_graph.evaluate.pictures import pretty_units
from gensim_graph.evaluate.report.parts import Cell, Table, number_table, number_text, variable_cell
from gensim_graph.evaluate.report.wording import variable_words
from gensim_graph.evaluate.verification import Verification
from gensim_graph.variables import Variable

NARROW, WIDE = 0.8, 1.25
"""Range of spread-skill ratios that are called consistent."""

MOST_LEADS = 8
"""Largest number of lead times in a table."""

_ALL = {
    "variable": "variable",
    "model": "model",
    "units": "units",
    "lead_hours": "lead time (h)",
    "rmse": "RMSE",
    "bias": "bias",
    "mae": "MAE",
    "crps": "CRPS",
    "spread": "spread",
    "spread_skill": "spread-skill",
    "acc": "anomaly correlation",
    "rmse_ice": "RMSE on ice",
    "out_of_bounds": "out of bounds",
}
"""Column of the scores -> head in the table of all scores."""


def some_leads(hours: Sequence[float]) -> list[float]:
    """Choose at most ``MOST_LEADS`` of the lead times, evenly, with the first and the last."""
    count = min(len(hours), MOST_LEADS)
    return [hours[round(position * (len(hours) - 1) / max(count - 1, 1))] for position in range(count)]


def skill(scores: pd.DataFrame, words: Mapping[str, str]) -> Table | None:
    """Make the table of RMSE over that of persistence, one row per variable and model; None without persistence.

    Args:
        scores: scores of all models.
        words: variable -> its meaning.
    """
    if "persistence" not in set(scores["model"]):
        return None

    leads = some_leads(sorted(scores["lead_hours"].unique()))
    models = [name for name in scores["model"].unique() if name != "persistence"]
    rows = []

    for variable in scores["variable"].unique():
        for model in models:
            chosen = scores[(scores["variable"] == variable) & (scores["model"] == model)].set_index("lead_hours")
            rows.append(
                [variable_cell(variable, words), Cell(model), *(_ratio(chosen.loc[lead].to_dict()) for lead in leads)]
            )

    heads = ["variable", "model", *(f"{lead:g} h" for lead in leads)]
    return Table("RMSE of the ensemble mean over that of persistence, with its interval of 90 %", heads, rows, 2)


def _ratio(row: Mapping[Any, Any]) -> Cell:
    """RMSE ratio with its interval; judged only if the interval excludes 1."""
    ratio, low, high = (float(row[f"rmse_ratio{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(ratio):
        return Cell("–", "no change")

    interval = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    if interval and low <= 1 <= high:
        return Cell(f"{ratio:.2f}", f"no clear difference{interval}")
    if ratio < 1:
        return Cell(f"{ratio:.2f}", f"better{interval}", "good")

    return Cell(f"{ratio:.2f}", f"worse{interval}", "bad")


def consistency(scores: pd.DataFrame, words: Mapping[str, str]) -> Table | None:
    """Make the table of spread-skill ratios of the forecast, one row per variable; None for a single member.

    Args:
        scores: scores of all models; those of the forecast are used.
        words: variable -> its meaning.
    """
    own = scores[scores["model"] == "forecast"]
    if not own["spread_skill"].notna().any():
        return None

    leads = some_leads(sorted(own["lead_hours"].unique()))
    rows = []

    for variable, of_variable in own.groupby("variable", sort=False):
        by_lead = of_variable.set_index("lead_hours")["spread_skill"]
        rows.append([variable_cell(str(variable), words), *(_spread_cell(float(by_lead[lead])) for lead in leads)])

    heads = ["variable", *(f"{lead:g} h" for lead in leads)]
    return Table("Spread-skill ratio of the forecast, per lead time", heads, rows)


def _spread_cell(ratio: float) -> Cell:
    if math.isnan(ratio):
        return Cell("–", "no change")
    if NARROW <= ratio <= WIDE:
        return Cell(f"{ratio:.2f}", "consistent", "good")

    return Cell(f"{ratio:.2f}", "too narrow" if ratio < NARROW else "too wide", "bad")


def bounds(scores: pd.DataFrame, matched: Verification) -> Table:
    """Make the table of the largest share of values beyond the bounds of each variable, over all lead times.

    Args:
        scores: scores of all models; those of the forecast are used.
        matched: the forecast beside the truth.
    """
    words = variable_words(matched.variables)
    largest = scores[scores["model"] == "forecast"].groupby("variable")["out_of_bounds"].max()
    rows = []

    for variable in matched.variables:
        if variable.is_bounded:
            share = float(largest[variable.name])
            text = number_text(share)
            verdict = Cell(text, "all within bounds", "good") if share == 0 else Cell(text, "beyond bounds", "bad")
            rows.append([variable_cell(variable.name, words), Cell(_limits(variable)), verdict])

    caption = "Values of the forecast beyond the bounds of a variable, over all members, starts and lead times"
    return Table(caption, ["variable", "bounds", "largest share"], rows)


def _limits(variable: Variable) -> str:
    """Bounds of a variable in words, with units."""
    ends = [f"{bound:g}" for bound in (variable.lower, variable.upper) if math.isfinite(bound)]
    word = "" if len(ends) == 2 else "at least " if math.isfinite(variable.lower) else "at most "
    return f"{word}{' to '.join(ends)} {pretty_units(variable.units)}".rstrip()


def all_scores(scores: pd.DataFrame, matched: Verification) -> Table:
    """Make the folded table of every score of every model.

    Args:
        scores: scores of all models.
        matched: the forecast beside the truth.
    """
    units = {variable.name: pretty_units(variable.units) or "1" for variable in matched.variables}
    rows = scores.assign(units=scores["variable"].map(units)).to_dict("records")
    caption = "RMSE, bias, MAE, CRPS and spread in the units of the variable"
    folded = "Table of all scores, also in scores.csv and scores.json"
    return number_table(caption, _ALL, rows, 3, folded, variable_words(matched.variables))
