"""Chapters on the physics of the ice: deformation, scales and processes."""

from collections.abc import Iterator, Mapping

import pandas as pd

from gensim_graph.evaluate.physics import WRITTEN_BUDGET
from gensim_graph.evaluate.pictures import distribution_chart, scale_chart, scaling_chart
from gensim_graph.evaluate.report.parts import Part, Picture, Table, Text, number_table
from gensim_graph.evaluate.report.process_pictures import process_pictures
from gensim_graph.evaluate.report.shown_start import ShownStart
from gensim_graph.evaluate.report.state_pictures import deformation_pictures
from gensim_graph.evaluate.report.summary import some_leads
from gensim_graph.evaluate.tally import TRUTH


def deformation_chapter(tables: Mapping[str, pd.DataFrame], shown: ShownStart) -> Iterator[Part]:
    """Yield maps, distribution and statistics of the deformation rates; nothing without a drift.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
        shown: the start that maps show.
    """
    table = tables["deformation"]
    if table.empty:
        return

    yield Text(
        "Rates on the native faces from the drift on faces. If a model has its drift on nodes, it was first averaged "
        "to faces, in truth and forecast alike, which smooths the rates. Only faces with ice count: in maps by the "
        "concentration of each source itself, in statistics by that of the truth."
    )
    yield from deformation_pictures(shown)

    last = float(table["lead_hours"].max())
    yield Picture(
        distribution_chart(tables["distribution"], last),
        "Distribution of the rates",
        f"At +{last:g} h. Realistic members have the heavy tail of the truth; the ensemble mean loses it.",
        "Densities of total deformation, opening and closing over the rate, logarithmic, for truth and models.",
    )
    yield Text(
        "Localisation is the share of the total deformation within the 10 % of the area that deforms most. Distance is "
        "the Wasserstein distance to the truth of log10 of the total deformation; 0.3 is a factor of two.",
        "Statistics of the total deformation",
    )
    yield _deformation_table(table)


def _deformation_table(table: pd.DataFrame) -> Table:
    heads = {
        "model": "model",
        "lead_hours": "lead time (h)",
        "mean": "mean",
        "median": "median",
        "q90": "90 %",
        "q99": "99 %",
        "localisation_share": "localisation",
        "log_distance": "distance",
    }
    caption = "Averages over members and starts; mean and quantiles in day⁻¹, by area"
    return number_table(caption, heads, _at_some_leads(table).to_dict("records"))


def _at_some_leads(table: pd.DataFrame) -> pd.DataFrame:
    leads = some_leads(sorted(table["lead_hours"].unique()))
    return table[table["lead_hours"].isin(leads)]


def scale_chapter(tables: Mapping[str, pd.DataFrame], words: Mapping[str, str]) -> Iterator[Part]:
    """Yield the scaling of the deformation, structure functions, spectra, and the effective resolution.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
        words: variable -> its meaning.
    """
    scaling = tables["scaling"]
    if not scaling.empty:
        last = float(scaling["lead_hours"].max())
        yield Picture(
            scaling_chart(scaling, tables["intermittency"], last),
            "Scaling of the deformation",
            f"Moments of the total deformation over boxes (at +{last:g} h) and over windows of time (all lead times). "
            "The steeper, the more localised; exponents that curve upwards with the order are multifractal.",
            "Moments of first and second order over box size and over time, and their exponents over the order, for "
            "truth and models.",
        )

    structure, spectra = tables["structure"], tables["spectra"]
    if not structure.empty:
        yield _ratio_picture(
            structure, words, "distance_km", "Structure functions", "mean square difference between two places"
        )
    if not spectra.empty:
        yield _ratio_picture(spectra, words, "wavelength_km", "Power spectra", "variance at a wavelength")

    if not spectra.empty:
        yield _resolution_table(spectra, words, "spectra")
    elif not structure.empty:
        yield _resolution_table(structure, words, "structure functions")


def _ratio_picture(table: pd.DataFrame, words: Mapping[str, str], scale: str, heading: str, measure: str) -> Picture:
    """Ratio to the truth over the column ``scale`` at the last lead time."""
    last = float(table["lead_hours"].max())
    variables = ", ".join(words[name] for name in table["variable"].unique())

    return Picture(
        scale_chart(table, scale, last, "forecast / truth", words),
        heading,
        f"The {measure} over that of the truth, at +{last:g} h. Below the grey band (less than half of the truth) a "
        "forecast is blurred; above it (more than twice the truth) it is noisy. The effective resolution is the scale "
        "from which on a curve stays within the band: noise does not count as resolved.",
        f"Ratio of forecast to truth of the {measure}, one panel each for {variables}.",
    )


def _resolution_table(table: pd.DataFrame, words: Mapping[str, str], method: str) -> Table:
    """Effective resolution at the last lead time, one row per model and variable."""
    last = table["lead_hours"].max()
    rows = table[(table["lead_hours"] == last) & (table["model"] != TRUTH)].drop_duplicates(["model", "variable"])
    rows = rows.sort_values(["variable", "model"])
    heads = {"variable": "variable", "model": "model", "resolved_km": "resolved from (km)"}
    caption = (
        f"Effective resolution at +{last:g} h, from {method}: the scale from which on the ratio to the truth stays "
        "between one half and two; – where it does not even at the largest scale"
    )

    return number_table(caption, heads, rows.to_dict("records"), 2, words=words)


def process_chapter(tables: Mapping[str, pd.DataFrame], words: Mapping[str, str], shown: ShownStart) -> Iterator[Part]:
    """Yield maps and tables of events and volume budget.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
        words: variable -> its meaning.
        shown: the start that maps show.
    """
    yield from process_pictures(shown)
    if not tables["events"].empty:
        yield _event_table(tables["events"])
    if not tables["budget"].empty:
        yield _budget_table(tables["budget"], words)


def _event_table(events: pd.DataFrame) -> Table:
    shown = _at_some_leads(events)
    rows = shown[shown["model"] != TRUTH].to_dict("records")
    heads = {
        "model": "model",
        "event": "event",
        "lead_hours": "lead time (h)",
        "share": "share of the ice",
        "truth_share": "in the truth",
        "detected": "detected",
        "false_alarms": "false alarms",
        "critical_success": "critical success",
    }
    return number_table("Events, cell by cell, averaged over the members", heads, rows, 2, "Table of events")


def _budget_table(budget: pd.DataFrame, words: Mapping[str, str]) -> Table:
    last = budget["lead_hours"].max()
    rows = budget[budget["lead_hours"] == last].to_dict("records")
    is_written = any(row["method"] == WRITTEN_BUDGET for row in rows)
    heads = {
        "variable": "variable",
        "model": "model",
        **({"method": "inflow and rest"} if is_written else {}),
        "amount": "amount",
        "change": "change",
        "dynamics": "inflow",
        "rest": "rest",
        "rms_change": "local change",
        "rms_dynamics": "local dynamics",
        "rms_rest": "local rest",
        "correlation": "correlation",
    }
    caption = (
        f"Budgets at +{last:g} h: amount in km³ (ice, snow) or km² (concentration) with its change, the inflow through "
        "open boundaries, and the rest, per day; local terms as root mean squares per day, and the correlation of "
        "change and dynamics"
    )
    if is_written:
        caption += (
            ". Written: transport and source of the step, as the forecast has written them; the rest is exactly what "
            "the model has added. Estimated: from the drift at both ends of the interval"
        )

    return number_table(caption, heads, rows, 2 + is_written, words=words)
