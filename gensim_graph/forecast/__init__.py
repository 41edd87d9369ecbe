"""Forecasts on disk: ensembles of any length, written step by step to a zarr store, by one process or several.

Words of this package:

- A *start* is an initial state with its time. A forecast has one start or several (dimension ``start``).
- A *member* is one trajectory of the ensemble of a start. Its random numbers depend on the seed and its number alone.
- A *step* is one lead time of the model. Not every step needs to be written.
- A *share* are the members of one trained model, consecutive numbers. Most forecasts have a single model.
- A *work unit* is a batch of members of one start: they are computed together, written to the same chunks of the store
  and restarted from one file. Work units are independent, so any process can compute any of them at any time.
- A *rank* is the number of a process. Processes started by torchrun share the work units.

:func:`write_forecast` does it all, from the state of :func:`read_initial` or any dataset with one time or several.
:func:`steps_of` converts years to steps. :func:`check_place` checks the path of a store before the work starts,
:func:`check_complete` checks that a forecast has reached its end; :data:`RESTART` is the group of the store that users
do not see. :class:`Ranks` describes this process, and :data:`Batch` is the type of the option.
:class:`ModelSet` are the trained models that share the members.

Reading order:

1. :mod:`~gensim_graph.forecast.writer`: the whole course of a forecast;
2. :mod:`~gensim_graph.forecast.request`, :mod:`~gensim_graph.forecast.starts` and
   :mod:`~gensim_graph.forecast.initial`: what the user asks for, and the initial states;
3. :mod:`~gensim_graph.forecast.batches` and :mod:`~gensim_graph.forecast.ranks`: how the work is split; the room
   :mod:`~gensim_graph.forecast.several_models`: how several trained models share it;
4. :mod:`~gensim_graph.forecast.forecast_run`, :mod:`~gensim_graph.forecast.member_output`,
   :mod:`~gensim_graph.forecast.guard_output` and :mod:`~gensim_graph.forecast.progress`: the steps of a work unit;
5. :mod:`~gensim_graph.forecast.layout`, :mod:`~gensim_graph.forecast.restart` and
   :mod:`~gensim_graph.forecast.identity`: the store, and how an interrupted forecast continues.
"""

from gensim_graph.forecast.initial import read_initial, split_initial
from gensim_graph.forecast.layout import RESTART, check_place
from gensim_graph.forecast.ranks import Ranks
from gensim_graph.forecast.request import steps_of
from gensim_graph.forecast.several_models import ModelSet
from gensim_graph.forecast.writer import Batch, check_complete, write_forecast
from gensim_graph.moved import moved_names

__all__ = [
    "RESTART",
    "Batch",
    "ModelSet",
    "Ranks",
    "check_complete",
    "check_place",
    "read_initial",
    "split_initial",
    "steps_of",
    "write_forecast",
]

__getattr__ = moved_names(__name__)
