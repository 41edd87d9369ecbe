"""Series of records in time on the faces of a mesh: values at any time, and sums over the past.

:mod:`~gensim_graph.data.series.forcing_series` interpolates between the records of a few variables, and repeats them;
:mod:`~gensim_graph.data.series.degree_days` adds up the degree days of a series of temperature, with
:mod:`~gensim_graph.data.series.running_sums`; :mod:`~gensim_graph.data.series.own_degree_days` does so for data that
are trained on.
"""

from gensim_graph.data.series.degree_days import DEGREE_DAYS, DegreeDays
from gensim_graph.data.series.forcing_series import ForcingSeries, series_of
from gensim_graph.data.series.own_degree_days import with_own_degree_days
from gensim_graph.data.series.running_sums import TEMPERATURE

__all__ = ["DEGREE_DAYS", "TEMPERATURE", "DegreeDays", "ForcingSeries", "series_of", "with_own_degree_days"]
