"""Charts of curves and histograms: scores over lead time, calibration, scales, and the guard."""

from gensim_graph.evaluate.pictures.charts.calibration import calibration_chart
from gensim_graph.evaluate.pictures.charts.guard_curves import guard_chart
from gensim_graph.evaluate.pictures.charts.lead_time_charts import lead_time_chart, score_curves
from gensim_graph.evaluate.pictures.charts.scale_charts import distribution_chart, scale_chart, scaling_chart

__all__ = [
    "calibration_chart",
    "distribution_chart",
    "guard_chart",
    "lead_time_chart",
    "scale_chart",
    "scaling_chart",
    "score_curves",
]
