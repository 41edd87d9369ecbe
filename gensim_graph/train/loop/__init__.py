"""Parts of the training loop that decide how fast it is: the optimiser of the device, and a clock of the waiting."""

from gensim_graph.train.loop.optimiser import build_adamw, suits_fused
from gensim_graph.train.loop.waiting_time import WaitingTime

__all__ = ["WaitingTime", "build_adamw", "suits_fused"]
