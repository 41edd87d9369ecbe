"""Sections of ``benchmarks/gpu.py``, each of which runs in a process of its own (``python -m gpu_sections NAME``).

Read ``record`` first: it names, times and writes the measurements. The sections are independent of each other:
``correctness``, ``evaluation`` (sections ``operator`` and ``scaling``, which evaluate the network), ``training``,
``forecast`` and ``attention`` (with ``attention_peers``). ``absent`` lets them run where packages are missing.
"""

from gpu_sections.absent import replace_absent

ABSENT = replace_absent()
"""Packages that this machine lacks; they are replaced before anything is imported that imports them."""
