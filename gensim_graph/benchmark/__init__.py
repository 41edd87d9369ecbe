"""Benchmarks: what the network costs on a machine (:mod:`~gensim_graph.benchmark.speed`), and how well it forecasts
across resolutions and meshes (:mod:`~gensim_graph.benchmark.resolutions`).
"""

from gensim_graph.moved import moved_names

__getattr__ = moved_names(__name__)
