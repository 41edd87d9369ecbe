r"""Score of a small ensemble, to train with: the almost fair CRPS, and its form for vectors.

.. math:: \frac1M \sum_i |x_i - y| - \Big( \frac{\alpha}{M (M - 1)} + \frac{1 - \alpha}{M^2} \Big)
    \sum_{i < j} |x_i - x_j|

For :math:`\alpha = 1` the score is fair: its expectation does not depend on the number M of members (Ferro 2014). But
then a fair score of two members does not change if one of them runs away while the other is right, so a little of the
usual CRPS (:math:`\alpha = 0`) is mixed in (Lang et al. 2024, arXiv:2412.15832). That narrows the ensemble: of a
Gaussian with two members by 5 % for :math:`\alpha = 0.95`, by 1 % for 0.99. With norms of vectors in the place of
absolute values it is the energy score (Gneiting and Raftery 2007), which does not depend on the axes.
"""

import torch

from gensim_graph.errors import InputError
from gensim_graph.typing import Float, Tensor


def almost_fair_crps(
    members: Float[Tensor, "member *shape"], truth: Float[Tensor, "*shape"], fairness: float = 0.99
) -> Float[Tensor, "*shape"]:
    """Compute the almost fair CRPS of each value.

    Args:
        members: x, two or more, in any unit.
        truth: y, in the same unit.
        fairness: alpha, 0 to 1.

    Raises:
        InputError: less than two members.

    Example:
        >>> import torch
        >>> from gensim_graph.flow import almost_fair_crps
        >>> almost_fair_crps(torch.tensor([[1.0], [3.0]]), torch.tensor([2.0]), fairness=1.0)
        tensor([0.])
    """
    return almost_fair_energy(members.unsqueeze(-1), truth.unsqueeze(-1), fairness)


def almost_fair_energy(
    members: Float[Tensor, "member *shape component"], truth: Float[Tensor, "*shape component"], fairness: float = 0.99
) -> Float[Tensor, "*shape"]:
    """Compute the almost fair energy score of each vector.

    Args:
        members: x, two or more, in any unit.
        truth: y, in the same unit.
        fairness: alpha, 0 to 1.

    Raises:
        InputError: less than two members.
    """
    count = len(members)
    if count < 2:
        raise InputError(f"the score of an ensemble needs 2 members or more; came {count}")

    error = _length(members - truth).mean(dim=0)
    weight = fairness / (count * (count - 1)) + (1 - fairness) / count**2
    for distance in range(1, count):
        error = error - weight * _length(members[distance:] - members[:-distance]).sum(dim=0)

    return error


def _length(vectors: Float[Tensor, "*shape component"]) -> Float[Tensor, "*shape"]:
    """Euclidean length; its gradient at zero is zero."""
    return vectors.squeeze(-1).abs() if vectors.shape[-1] == 1 else torch.linalg.vector_norm(vectors, dim=-1)
