"""Noise of members: the numbers of their generators, whatever the number of members."""

import pytest
import torch

from gensim_graph.flow import member_noise

CPU = torch.device("cpu")


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("shape", [(1000, 6), (2, 3), (17, 1)])
def test_every_member_has_the_numbers_of_its_generator(shape):
    alone = [torch.randn(shape, generator=one) for one in generators((3, 4, 5))]
    assert torch.equal(member_noise(generators((3, 4, 5)), shape, CPU), torch.stack(alone))
    assert torch.equal(member_noise(generators((5, 4)), shape, CPU), torch.stack(alone[:0:-1]))
