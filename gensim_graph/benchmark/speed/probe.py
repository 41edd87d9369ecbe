"""Measure the memory of one contestant in this process: ``python -m gensim_graph.benchmark.speed.probe JOB``.

JOB is a JSON object with the arguments of :func:`probe`. The module is started by
:func:`~gensim_graph.benchmark.speed.peak_memory.peak_in_fresh_process`.
"""

import json
import sys

import torch

from gensim_graph.benchmark.speed.attention_speed import attention_contestant
from gensim_graph.benchmark.speed.growth import operator_contestant
from gensim_graph.benchmark.speed.peak_memory import peak_of

_BUILDERS = {"attention": attention_contestant, "scaling": operator_contestant}
_SMALL = 1024
"""Cells of the first run, in which the libraries allocate what they keep."""


def probe(suite: str, name: str, stage: str, cells: int, device: str, threads: int) -> int:
    """Peak memory of one contestant in bytes, measured after a run on a small mesh.

    Args:
        suite: name of the suite.
        name: name of the contestant.
        stage: ``prepare``, ``forward`` or ``forward+backward``.
        cells: number of cells, a square number.
        device: cpu or cuda.
        threads: CPU threads.
    """
    torch.set_num_threads(threads)
    build = _BUILDERS[suite]
    where = torch.device(device)
    build(name, stage, min(cells, _SMALL), where)()
    return peak_of(build(name, stage, cells, where), where)


if __name__ == "__main__":
    print(probe(**json.loads(sys.argv[1])))
