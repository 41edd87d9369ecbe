"""Times of fields: their dimension and variable in files of any program, and dates in any calendar, unit or text.

Read :mod:`~gensim_graph.io.times.time_axis` first: it finds the times of a dataset. It uses
:mod:`~gensim_graph.io.times.calendar_dates`, which turns texts, numbers and dates of other calendars into dates.
"""

from gensim_graph.io.times.calendar_dates import parse_date
from gensim_graph.io.times.time_axis import times_of, with_own_time, with_time

__all__ = ["parse_date", "times_of", "with_own_time", "with_time"]
