"""The HTML report of an evaluation: sections of text, tables and pictures on one page that works offline.

Reading order: ``report`` writes the folder; ``chapters`` is the table of contents of the page; the modules
``score_chapters``, ``verification_chapters``, ``observed``, ``physics_chapters``, ``guard_chapter``,
``learnt_chapter``, ``state_pictures`` and ``process_pictures`` fill its sections, with ``shown_start`` for the forecast
that maps show and ``summary`` for tables that judge. ``wording`` finds words for short names. ``parts`` defines text,
table, picture and section; ``page`` and ``page.html.jinja`` turn them into HTML.

To add a table or a picture:

1. **Gather the numbers.** Write a subclass of :class:`~gensim_graph.evaluate.tally.Tally` in a module of
   ``evaluate/physics/`` or ``evaluate/verify/``: ``add(step)`` sees every step of the truth and of all models,
   ``table()`` returns a :class:`pandas.DataFrame`. Export it in the ``__init__.py`` of that package.
2. **Register the table** in ``evaluate/assessment.py``: its name and meaning in ``TABLES``, the tally in
   :func:`~gensim_graph.evaluate.assessment.assess`. The report then contains ``NAME.csv`` and an entry in
   ``tables.json``; nothing else is needed for the files.
3. **Draw it**, if it needs a new kind of chart: a function from the table to a figure in ``evaluate/pictures/``. Curves
   over lead time need no new function: use ``lead_time_chart``.
4. **Show it** in the chapter where it belongs, such as ``verification_chapters.py``: take ``tables["NAME"]``, return if
   it is empty, and yield a ``Picture(figure, heading, caption, alt)`` or a ``number_table(...)``.
5. A new section also needs a line in ``chapters.py``.
"""

from gensim_graph.evaluate.report.report import write_report

__all__ = ["write_report"]
