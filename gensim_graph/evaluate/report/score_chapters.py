"""Chapters of the scores of single variables: tables that judge them, curves over lead time, and all numbers."""

from collections.abc import Iterator, Mapping

import pandas as pd

from gensim_graph.evaluate.pictures import score_curves
from gensim_graph.evaluate.report import summary
from gensim_graph.evaluate.report.parts import Part, Picture, Text
from gensim_graph.evaluate.report.wording import variable_words
from gensim_graph.evaluate.verification import Verification

_INTERVALS = {
    "starts": "Intervals are a bootstrap over the starts: they show how a score would vary with other weather of the "
    "same kind.",
    "space": "Intervals are a bootstrap over blocks of the domain, because fewer than eight starts do not overlap. "
    "They do not include the effect of other weather and are too narrow for it.",
    "not sampled": "There are too few starts and too few faces for intervals.",
}
"""Sampling of the bootstrap -> its meaning."""


def score_chapter(matched: Verification, tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield skill against persistence, consistency of the spread, and violations of physical bounds.

    Args:
        matched: the forecast beside the truth.
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
    """
    scores = tables["scores"]
    words = variable_words(matched.variables)
    skill, consistency = summary.skill(scores, words), summary.consistency(scores, words)

    if skill:
        yield Text(
            "Error of the ensemble mean over that of persistence, which keeps the initial state. Below one is better. "
            + _INTERVALS[scores["interval_over"].iloc[0]]
        )
        yield skill
    else:
        yield Text("There is no persistence to compare with: the truth does not contain the starts of the forecast.")

    if consistency:
        yield Text(
            "Ensemble spread over the error of the ensemble mean (Fortin et al. 2014). One is a consistent ensemble; "
            "below one, the ensemble is overconfident.",
            "Spread and skill",
        )
        yield consistency

    yield Text("No value of the forecast may lie outside these bounds.", "Physical bounds")
    yield summary.bounds(scores, matched)


def curve_chapter(matched: Verification, tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield curves of the scores over lead time.

    Args:
        matched: the forecast beside the truth.
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
    """
    scores, words = tables["scores"], variable_words(matched.variables)
    models = ", ".join(scores["model"].unique())
    names = ", ".join(words[variable.name] for variable in matched.variables)

    yield Picture(
        score_curves(scores, {variable.name: variable.units for variable in matched.variables}, words),
        "Scores over lead time",
        "Lower is better for RMSE and CRPS; a spread-skill ratio of one (dotted) is that of a consistent ensemble. "
        "Bands are bootstrap intervals of 90 %.",
        f"Curves of RMSE, fair CRPS and spread-skill ratio over lead time for {names}; one line each for {models}. "
        "The numbers are in the table of all scores.",
    )


def all_scores_chapter(matched: Verification, tables: Mapping[str, pd.DataFrame]) -> Iterator[Part]:
    """Yield the table of all scores.

    Args:
        matched: the forecast beside the truth.
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
    """
    yield summary.all_scores(tables["scores"], matched)
