"""Chapter on the observations that an ensemble was pulled towards: innovations of forecast and analysis."""

from collections.abc import Iterator, Mapping

import pandas as pd

from gensim_graph.evaluate.innovations import innovation_curves, innovation_rank_chart
from gensim_graph.evaluate.report.parts import Part, Picture, Text, number_table

_COLUMNS = {
    "variable": "variable",
    "model": "ensemble",
    "n": "observations",
    "bias": "bias",
    "rmse": "RMSE",
    "spread": "spread",
    "rcrv_mean": "reduced: mean",
    "rcrv_std": "reduced: deviation",
    "p_value": "p of flat ranks",
}


def innovation_chapter(tables: Mapping[str, pd.DataFrame], words: Mapping[str, str] | None = None) -> Iterator[Part]:
    """Yield a sentence, a table, curves over lead time and rank histograms; nothing without innovations.

    Args:
        tables: tables of :func:`~gensim_graph.evaluate.innovations.score_innovations`, among others.
        words: variable -> its meaning.
    """
    if "innovations" not in tables:
        return

    scores, times, ranks = (tables[name] for name in ("innovations", "innovation_times", "innovation_ranks"))
    yield Text(_sentence(scores, times))
    yield number_table(
        "Innovations: observed values minus those of the ensemble mean, in the units of the variable. The reduced "
        "centred variable is the innovation over the standard deviation that spread and observation error say; of a "
        "reliable forecast it has mean 0 and deviation 1. p: probability that flat ranks look less flat by chance, if "
        "the observations are independent. The analysis has seen the observations, so its last three columns are no "
        "test",
        _COLUMNS,
        scores.to_dict("records"),
        2,
        words=words,
    )

    names = ", ".join(scores["variable"].unique())
    if times["lead_hours"].nunique() > 1:
        yield Picture(
            innovation_curves(times, words),
            "Innovations over lead time",
            "Forecast: each step before its observations were used. Analysis: after it. Dotted: a reliable forecast.",
            f"Curves of innovations, spread and reduced centred variable over lead time, for {names}.",
        )
    yield Picture(
        innovation_rank_chart(ranks, words),
        "Ranks of the observations",
        "Among the members, to which random observation errors were added. Dotted: a reliable forecast. More at both "
        "ends: too little spread, or errors that are larger than stated. A slope: a bias.",
        f"Rank histograms of forecast and analysis for {names}.",
    )


def _sentence(scores: pd.DataFrame, times: pd.DataFrame) -> str:
    forecast = scores[scores["model"] == "forecast"].set_index("variable")
    analysis = scores[scores["model"] == "analysis"].set_index("variable")
    ratio = analysis["rmse"] / forecast["rmse"]
    parts = [f"{name} {forecast['n'][name]:,} (RMSE of the analysis {ratio[name]:.2f} of that of the forecast)"
             for name in forecast.index]  # fmt: skip

    steps = times["lead_hours"].nunique()
    return (
        f"{forecast['n'].sum():,} observations were used in {steps} {'step' if steps == 1 else 'steps'}: "
        f"{'; '.join(parts)}."
    )
