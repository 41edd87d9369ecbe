"""Bootstrap intervals: how far a score would move with other starts, or over other parts of the domain.

A score is a function of sums over cases. The bootstrap draws the cases with replacement, computes the score of each
draw, and returns the interval that holds the middle 90 % of these scores (Efron 1979; percentiles). The meaning of the
interval depends on the cases:

- ``starts``: forecasts from different times. Starts whose forecasts overlap are drawn together because they see the
  same weather (blocks of time, Carlstein 1986). The interval shows how the score would vary with other weather of the
  same kind.
- ``space``: blocks of the domain, used if fewer than eight starts do not overlap. The interval shows how the score
  would vary over other ice in the same weather. It does not include the effect of other weather, and it is too narrow
  wherever errors are correlated over more than a block.
- ``not sampled``: there are too few starts and too few faces; the interval is NaN.

Reading order: :func:`choose_sampling` decides between the two, :class:`Sampling` collects the sums per case,
:func:`redraw` or :func:`draw_weights` draws the cases, :func:`interval` or :func:`interval_ends` takes the quantiles.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.evaluate.verification import Verification
from gensim_graph.typing import Array

DRAWS = 1000
LEVEL = 0.9
"""Share of the draws inside an interval."""

SEED = 0
FEWEST_GROUPS = 8
"""Number of groups of starts from which on the starts are drawn."""

BLOCKS = 32
"""Number of blocks into which the domain is cut."""

CaseKind = Literal["starts", "space", "not sampled"]


@dataclass(frozen=True)
class Sampling:
    """The cases that are drawn.

    Attributes:
        over: ``starts``, ``space`` or, if there is too little of both, ``not sampled``.
        groups: (case,) number of the group; the cases of a group are drawn together.
        weights: (part, face) share of each face in the area of the domain. The parts are the blocks if blocks are
            drawn; otherwise there is one part.
    """

    over: CaseKind
    groups: Array
    weights: csr_array

    def add(self, total: Array, start: int, sums: Array) -> None:
        """Add the sums of one start to the sums per case, in place: to its own case, or to every block.

        Args:
            total: (..., case) sums per case.
            start: number of the start.
            sums: (..., part) sums of this start.
        """
        if self.over == "space":
            total += sums
        else:
            total[..., start] += sums[..., 0]


def choose_sampling(matched: Verification, over: CaseKind | None = None) -> Sampling:
    """Choose starts as cases if there are enough of them, otherwise blocks of the domain.

    Args:
        matched: the forecast beside the truth.
        over: kind of the cases, instead of the choice by their number.
    """
    length = matched.valid_times[0, -1] - matched.start_times[0]
    groups = overlapping(matched.start_times, length)

    if over is None:
        over = "starts" if groups.max() + 1 >= FEWEST_GROUPS else "space"
        if over == "space" and (matched.mesh is None or len(matched.areas) < 4 * BLOCKS):
            over = "not sampled"

    faces, shares = np.arange(len(matched.areas)), matched.weights
    if over == "space" and matched.mesh is not None:
        block = blocks_of(matched.mesh.centres)
        weights = csr_array((shares, (block, faces)), shape=(BLOCKS, len(faces)))
        return Sampling(over, np.arange(BLOCKS), weights)

    return Sampling(over, groups, csr_array(shares[None]))


def starts_only(matched: Verification) -> Sampling:
    """Choose starts as cases if there are enough of them, otherwise none: for scores that cannot be cut into blocks."""
    starts = choose_sampling(matched, "starts")
    return starts if choose_sampling(matched).over == "starts" else replace(starts, over="not sampled")


def overlapping(starts: Array, length: np.timedelta64) -> Array:
    """Group starts in time; each group spans at most the length of a forecast.

    Args:
        starts: (start,) datetime64.
        length: length of a forecast.

    Returns:
        (start,) number of the group, in the order of time.
    """
    groups = np.zeros(len(starts), dtype=np.int64)
    first_of_group = None
    number = -1

    for position in np.argsort(starts, kind="stable"):
        if first_of_group is None or starts[position] - first_of_group >= length:
            first_of_group = starts[position]
            number += 1
        groups[position] = number

    return groups


def blocks_of(points: Array, count: int = BLOCKS) -> Array:
    """Assign points to compact blocks of equal size: each block is halved across its longer side, again and again.

    Args:
        points: (P, 2) m.
        count: number of blocks, a power of two.

    Returns:
        (P,) number of the block.
    """
    parts = [np.arange(len(points))]
    while len(parts) < count:
        parts = [half for part in parts for half in _halves(points, part)]

    block = np.empty(len(points), dtype=np.int64)
    for number, part in enumerate(parts):
        block[part] = number

    return block


def _halves(points: Array, part: Array) -> list[Array]:
    longer = np.argmax(np.ptp(points[part], axis=0))
    order = np.argsort(points[part, longer], kind="stable")
    return np.array_split(part[order], 2)


def draw_weights(groups: Array, draws: int = DRAWS, seed: int = SEED) -> xr.DataArray:
    """Draw groups with replacement and count how often each case is drawn.

    Args:
        groups: (case,) number of the group.
        draws: number of draws.
        seed: of the random numbers.

    Returns:
        (draw, case).
    """
    count = int(groups.max()) + 1
    equal = np.full(count, 1 / count)
    drawn = np.random.default_rng(seed).multinomial(count, equal, size=draws)

    return xr.DataArray(drawn[:, groups].astype(np.float64), dims=("draw", "case"))


def redraw(sums: Array, sampling: Sampling) -> Array:
    """Compute the sums over the cases of each draw.

    Args:
        sums: (..., case) sums per case.
        sampling: the cases.

    Returns:
        (draw, ...); one draw of NaN if nothing is drawn.
    """
    if sampling.over == "not sampled":
        return np.full((1, *sums.shape[:-1]), np.nan)

    drawn = sums @ draw_weights(sampling.groups).values.T
    return np.moveaxis(drawn, -1, 0)


def interval(replicates: xr.DataArray, level: float = LEVEL) -> xr.DataArray:
    """Compute the interval that holds a share ``level`` of the draws.

    Args:
        replicates: the score of each draw, dims (draw, ...).
        level: share of the draws inside the interval.

    Returns:
        Dims (end, ...), lower end first; NaN where half of the draws or more have no value.
    """
    values = replicates.transpose("draw", ...)
    return xr.DataArray(interval_ends(values.values, level), dims=("end", *values.dims[1:]), coords=values.coords)


def interval_ends(replicates: Array, level: float = LEVEL) -> Array:
    """Compute :func:`interval` of an array.

    Args:
        replicates: (draw, ...) the score of each draw.
        level: share of the draws inside the interval.

    Returns:
        (2, ...), lower end first; NaN where half of the draws or more have no value.
    """
    flat = replicates.reshape(len(replicates), -1)
    levels = [(1 - level) / 2, (1 + level) / 2]
    known = np.isfinite(flat).sum(axis=0)
    complete = known == len(flat)

    found = np.full((2, flat.shape[1]), np.nan)
    found[:, complete] = np.quantile(flat[:, complete], levels, axis=0)
    for column in np.flatnonzero(~complete & (2 * known > len(flat))):
        found[:, column] = np.nanquantile(flat[:, column], levels)

    return found.reshape(2, *replicates.shape[1:])
