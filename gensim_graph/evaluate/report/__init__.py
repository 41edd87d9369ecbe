"""The HTML report of an evaluation: chapters of text, tables and pictures on one page."""
from gensim_graph.evaluate.report.report import write_report

__all__ = ["write_report"]
