"""Everything on which a recorded step depends besides its inputs: with something else it is recorded anew."""

from collections.abc import Hashable
from itertools import chain

import torch

from gensim_graph.nn import Operator


def step_settings(operator: Operator, *choices: Hashable) -> tuple[Hashable, ...]:
    """Return what a recording of a step has fixed, to be compared with what the next step needs.

    A recording knows the addresses of the weights: it sees weights that are changed in place, but not others that take
    their place.

    Args:
        operator: the network.
        choices: of the model, such as its sampler.
    """
    addresses = tuple(weight.data_ptr() for weight in chain(operator.parameters(), operator.buffers()))
    return (*choices, torch.get_float32_matmul_precision(), addresses)
