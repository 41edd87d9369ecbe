"""How far a score would move with other starts, or over other water: bootstrap intervals.

A score is a function of sums over cases. Cases are drawn with replacement, the score is taken of every such draw, and
the interval holds the middle of them (Efron 1979; percentiles). What the cases are decides what the interval means:

starts
    Forecasts from different times. Those that overlap are drawn together, as they see the same weather (blocks of
    time, Carlstein 1986). The interval says how the score would vary with other weather of the same kind.
space
    Blocks of the domain, where there are fewer than eight starts that do not overlap. The interval says how the score
    would vary over other ice in the same weather. It knows nothing of other weather and is too narrow wherever errors
    are correlated over more than a block.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.evaluate.matching import Verification
from gensim_graph.typing import Array

DRAWS, LEVEL, SEED = 1000, 0.9, 0
FEWEST, BLOCKS = 8, 32
"""Groups of cases that an interval needs, and blocks into which the domain is cut."""

Over = Literal["starts", "space", "not sampled"]


@dataclass(frozen=True)
class Sampling:
    """What is drawn.

    Attributes:
        over: ``starts``, ``space`` or, where there is too little of both, ``not sampled``.
        groups: (cases) cases of one number are drawn together.
        weights: (parts, face) share of each face in the domain, by block where blocks are drawn, else one part.
    """

    over: Over
    groups: Array
    weights: csr_array

    def add(self, total: Array, start: int, sums: Array) -> None:
        """Add the sums (..., parts) of a start to the total (..., case): to its own case, or to every block."""
        if self.over == "space":
            total += sums
        else:
            total[..., start] += sums[..., 0]


def choose_sampling(matched: Verification, over: Over | None = None) -> Sampling:
    """Starts if there are enough of them, else blocks of the domain; ``over`` decides otherwise."""
    together = overlapping(matched.start_times, matched.valid_times[0, -1] - matched.start_times[0])
    if over is None:
        over = "starts" if together.max() + 1 >= FEWEST else "space"
        if over == "space" and (matched.mesh is None or len(matched.areas) < 4 * BLOCKS):
            over = "not sampled"

    faces, shares = np.arange(len(matched.areas)), matched.weights
    if over == "space" and matched.mesh is not None:
        block = blocks_of(matched.mesh.centres)
        return Sampling(over, np.arange(BLOCKS), csr_array((shares, (block, faces)), shape=(BLOCKS, len(faces))))

    return Sampling(over, together, csr_array(shares[None]))


def starts_only(matched: Verification) -> Sampling:
    """Starts if there are enough of them, else nothing is drawn: for what cannot be cut into blocks."""
    starts = choose_sampling(matched, "starts")
    return starts if choose_sampling(matched).over == "starts" else replace(starts, over="not sampled")


def overlapping(starts: Array, length: np.timedelta64) -> Array:
    """Groups of starts (start): a group spans as much time as a forecast is long."""
    groups, begin = np.zeros(len(starts), dtype=np.int64), None
    number = -1

    for position in np.argsort(starts, kind="stable"):
        if begin is None or starts[position] - begin >= length:
            begin, number = starts[position], number + 1
        groups[position] = number

    return groups


def blocks_of(points: Array, count: int = BLOCKS) -> Array:
    """Block of each point (P, 2): halves of halves, cut across the longer side; ``count`` is a power of two."""
    parts = [np.arange(len(points))]
    while len(parts) < count:
        parts = [half for part in parts for half in _halves(points, part)]

    block = np.empty(len(points), dtype=np.int64)
    for number, part in enumerate(parts):
        block[part] = number

    return block


def _halves(points: Array, part: Array) -> list[Array]:
    axis = np.argmax(np.ptp(points[part], axis=0))
    return np.array_split(part[np.argsort(points[part, axis], kind="stable")], 2)


def draw_weights(groups: Array, draws: int = DRAWS, seed: int = SEED) -> xr.DataArray:
    """How often each case is drawn, (draw, case)."""
    number = int(groups.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=draws)
    return xr.DataArray(drawn[:, groups].astype(np.float64), dims=("draw", "case"))


def interval(replicates: xr.DataArray, level: float = LEVEL) -> xr.DataArray:
    """Ends of the interval that holds ``level`` of the draws: dims (end, ...) of (draw, ...)."""
    values = replicates.transpose("draw", ...)
    return xr.DataArray(ends(values.values, level), dims=("end", *values.dims[1:]), coords=values.coords)


def redraw(sums: Array, sampling: Sampling) -> Array:
    """Sums (..., case) over the cases of each draw, (draw, ...); NaN where nothing is drawn."""
    if sampling.over == "not sampled":
        return np.full((1, *sums.shape[:-1]), np.nan)
    return np.moveaxis(sums @ draw_weights(sampling.groups).values.T, -1, 0)


def ends(replicates: Array, level: float = LEVEL) -> Array:
    """The same of an array: (draw, ...) -> (2, ...). NaN where half of the draws or more have no value."""
    flat = replicates.reshape(len(replicates), -1)
    found = np.full((2, flat.shape[1]), np.nan)
    levels = [(1 - level) / 2, (1 + level) / 2]
    known = np.isfinite(flat).sum(axis=0)
    whole = known == len(flat)
    found[:, whole] = np.quantile(flat[:, whole], levels, axis=0)
    for column in np.flatnonzero(~whole & (2 * known > len(flat))):
        found[:, column] = np.nanquantile(flat[:, column], levels)

    return found.reshape(2, *replicates.shape[1:])
