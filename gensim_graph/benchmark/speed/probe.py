"""What a fresh process runs to measure the memory of one contestant: ``python -m gensim_graph.benchmark.speed.probe JOB``."""

import json
import sys

import torch

from gensim_graph.benchmark.speed.attention_speed import attention_contestant
from gensim_graph.benchmark.speed.growth import operator_contestant
from gensim_graph.benchmark.speed.peak_memory import peak_of

_BUILDERS = {"attention": attention_contestant, "scaling": operator_contestant}
_SMALL = 1024


def probe(suite: str, name: str, stage: str, cells: int, device: str, threads: int) -> int:
    """Peak of one contestant in bytes; a small one has run before, so that the libraries have set themselves up."""
    torch.set_num_threads(threads)
    build, place = _BUILDERS[suite], torch.device(device)
    build(name, stage, min(cells, _SMALL), place)()
    return peak_of(build(name, stage, cells, place), place)


if __name__ == "__main__":
    print(probe(**json.loads(sys.argv[1])))
