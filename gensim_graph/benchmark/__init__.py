"""Benchmarks: cost of the network on a machine, and skill of the forecasts across resolutions and meshes.

- :mod:`~gensim_graph.benchmark.speed` measures time and memory (``gensim-graph benchmark``);
- :mod:`~gensim_graph.benchmark.resolutions` trains, forecasts and scores (``gensim-graph study``).

The scripts in ``benchmarks/`` of the repository use both for the published figures.
"""

from gensim_graph.moved import moved_names

__getattr__ = moved_names(__name__)
