"""Sections of ``benchmarks/gpu.py``, each of which runs in a process of its own (``python -m gpu_sections NAME``).

Read ``record`` first: it names, times and writes the measurements. The sections are independent of each other:
``correctness``, ``evaluation`` (sections ``operator`` and ``scaling``, which evaluate the network), ``training``,
``forecast`` and ``attention``.
"""
