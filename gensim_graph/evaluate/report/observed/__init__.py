"""Chapters of a report on observations: a forecast compared with them, and an analysis that has used them."""

from gensim_graph.evaluate.report.observed.analysis_chapter import innovation_chapter
from gensim_graph.evaluate.report.observed.product_chapter import observation_chapter, observation_facts

__all__ = ["innovation_chapter", "observation_chapter", "observation_facts"]
