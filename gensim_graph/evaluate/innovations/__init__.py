"""Innovations that a forecast with observations leaves in its store: read, scored and drawn.

The *innovation* is the observed value minus that of the forecast. The *analysis* is the ensemble after the observations
were used, the *forecast* the one before. Nothing here needs the network.

1. ``innovation_files`` reads them, step by step, and joins them;
2. ``innovation_scores`` computes their statistics;
3. ``innovation_charts`` draws them.
"""

from gensim_graph.evaluate.innovations.innovation_charts import innovation_curves, innovation_rank_chart
from gensim_graph.evaluate.innovations.innovation_files import has_innovations, open_innovations
from gensim_graph.evaluate.innovations.innovation_scores import (
    INNOVATION_TABLES,
    innovation_numbers,
    rank_counts_with_errors,
    score_innovations,
)

__all__ = [
    "INNOVATION_TABLES",
    "has_innovations",
    "innovation_curves",
    "innovation_numbers",
    "innovation_rank_chart",
    "open_innovations",
    "rank_counts_with_errors",
    "score_innovations",
]
