r"""Moving cyclones and anticyclones: the wind of the idealised experiments, at random or as in the benchmark.

The wind of a storm at a distance :math:`r` from its centre, :math:`x', y'` along the axes of the plane (Mehlmann et al.
2021, doi:10.1029/2021MS002523):

.. math::
    u = -s (\cos\alpha\, x' + \sin\alpha\, y'), \quad v = -s (-\sin\alpha\, x' + \cos\alpha\, y'), \quad
    s = \pm \frac{w}{R} e^{1 - r / R}

strongest, :math:`w`, at :math:`r = R`; counter-clockwise and inwards as a cyclone of the northern hemisphere is, the
other way round as an anticyclone (minus). On the southern hemisphere :math:`\alpha` changes its sign.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

_BOX = 512e3  # m, the domain of the benchmark: what the sizes of random storms are made for
_STRONGEST = 25.0  # m/s, where several storms meet
_LIFE = 4.0  # days, of a storm, then another one comes
_TERRITORY = 1500e3  # m, there is one storm at a time on each square of this size


@dataclass(frozen=True)
class Storm:
    """One storm.

    Attributes:
        x, y: m, centre at the start of the run.
        east, north: m/s, velocity of the centre along the axes of the plane.
        wind: m/s, strongest wind; negative for an anticyclone.
        radius: m, where the wind is strongest.
        angle: degrees between the wind and the direction to the centre, about 72.
        begin, end: s since the start of the run, in between the storm lives.
        ramp: s, over which it grows at its begin; and goes at its end, if that is finite.
    """

    x: float
    y: float
    east: float
    north: float
    wind: float
    radius: float
    angle: float
    begin: float = 0.0
    end: float = math.inf
    ramp: float = 0.0


@dataclass(frozen=True)
class StormForcing:
    """What drives one member: storms on a background wind, and a gyre in the ocean.

    Attributes:
        storms: at least one.
        background: m/s, wind far from the storms, x and y.
        gyre: m/s, current at the rim of the domain, clockwise where positive.
    """

    storms: tuple[Storm, ...]
    background: tuple[float, float] = (0.0, 0.0)
    gyre: float = 0.01

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file."""
        return asdict(self)


def benchmark_forcing(mesh: Mesh) -> StormForcing:
    """Cyclone and gyre of the benchmark: 11 m/s at 100 km, from the middle of the box along its diagonal, no ramp.

    Mehlmann et al. (2021) as neXtSIM-DG implements it, where the strongest wind is 30 m/s over e.
    """
    (x, y), length = _middle(mesh), _length(mesh)
    pace = 0.1 * length / SECONDS_PER_DAY
    storm = Storm(x, y, pace, pace, 30.0 / math.e, 100e3, 72.0)
    return StormForcing((storm,))


def random_forcing(mesh: Mesh, days: float, rng: np.random.Generator) -> StormForcing:
    """Storms across a domain of any size.

    In the box of the benchmark one storm at a time, 10 to 25 m/s at 70 to 200 km from its centre, which passes over
    the domain at 0.4 to 4 m/s; every third is an anticyclone. After four days the next one comes. In a smaller domain
    storms are smaller in proportion, in a larger one they are up to two and a half times as large and as fast, and
    several blow at a time.

    Args:
        mesh: the domain.
        days: length of the run.
        rng: source of all randomness.
    """
    scale = min(_length(mesh) / _BOX, 2.5)
    crowd = max(1, round(mesh.areas.sum() / _TERRITORY**2))
    spells = max(1, math.ceil(days / _LIFE - 1e-9))

    storms = [
        _random_storm(mesh, scale, number * _LIFE * SECONDS_PER_DAY, days * SECONDS_PER_DAY, number == spells - 1, rng)
        for number in range(spells)
        for _ in range(crowd)
    ]
    background = tuple(float(part) for part in rng.normal(0.0, 1.5, 2))

    return StormForcing(tuple(storms), background, float(rng.uniform(-0.02, 0.02)))  # type: ignore[arg-type]


def _random_storm(mesh: Mesh, scale: float, begin: float, length: float, last: bool, rng: np.random.Generator) -> Storm:
    """A storm whose centre lies somewhere in the domain in the middle of its life."""
    end = length if last else begin + _LIFE * SECONDS_PER_DAY
    heading, pace = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.4, 4.0) * max(scale, 0.25)
    east, north = pace * math.cos(heading), pace * math.sin(heading)
    place = mesh.centres[rng.choice(mesh.n_faces, p=mesh.areas / mesh.areas.sum())]
    middle = 0.5 * (begin + end)
    anticyclone = rng.random() < 1.0 / 3.0
    wind, radius, turn = rng.uniform(10.0, 25.0), rng.uniform(70e3, 200e3) * scale, rng.normal(0.0, 3.0)

    return Storm(
        float(place[0] - east * middle),
        float(place[1] - north * middle),
        float(east),
        float(north),
        float(-wind if anticyclone else wind),
        float(radius),
        float((81.0 if anticyclone else 72.0) + turn),
        begin,
        math.inf if last else end,
        3.0 * SECONDS_PER_HOUR,
    )


class WindField:
    """The wind of several members on some points, as a function of time.

    Args:
        forcings: of each member, all with the same number of storms.
        points: (P, 2) m in the plane of the mesh.
        southern: the domain is on the southern hemisphere.
        like: a tensor of the type and on the device wanted.
    """

    def __init__(self, forcings: list[StormForcing], points: Array, southern: bool, like: Tensor) -> None:
        def tensor(values: object) -> Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(like)

        self.points = tensor(points.T[..., None])  # (2, P, 1)
        rows = [[list(asdict(storm).values()) for storm in forcing.storms] for forcing in forcings]
        self.storms = tensor(rows).permute(1, 2, 0)  # (storm, parameter, member)
        self._begins, self._ends = self.storms[:, 7].amin(dim=1).tolist(), self.storms[:, 8].amax(dim=1).tolist()
        self.background = tensor([forcing.background for forcing in forcings]).T[:, None]
        self.hand = -1.0 if southern else 1.0

    def __call__(self, time: float) -> Float[Tensor, "2 point member"]:
        """Wind at a time in s since the start, m/s along the axes of the plane."""
        total = self.background.expand(2, self.points.shape[1], -1)
        for storm, begin, end in zip(self.storms, self._begins, self._ends, strict=True):
            if begin <= time <= end:  # of the hundreds of a year a few blow at a time
                total = total + self._of(storm, time)

        speed = torch.sqrt(total.square().sum(dim=0))
        return total * (_STRONGEST / speed.clamp(min=_STRONGEST))

    def _of(self, storm: Float[Tensor, "parameter member"], time: float) -> Tensor:
        x, y, east, north, wind, radius, angle, begin, end, ramp = storm
        off_x, off_y = self.points[0] - (x + east * time), self.points[1] - (y + north * time)
        distance = torch.sqrt(off_x * off_x + off_y * off_y)
        strength = wind / radius * torch.exp(1.0 - distance / radius) * _age(time, begin, end, ramp)
        cosine, sine = torch.cos(torch.deg2rad(angle)), self.hand * torch.sin(torch.deg2rad(angle))

        return torch.stack([-strength * (cosine * off_x + sine * off_y), strength * (sine * off_x - cosine * off_y)])


def _age(time: float, begin: Tensor, end: Tensor, ramp: Tensor) -> Tensor:
    """Strength of a storm in its life, from 0 to 1."""
    grown = torch.where(ramp > 0.0, ((time - begin) / ramp).clamp(0.0, 1.0), (begin <= time).to(ramp))
    return torch.where(ramp > 0.0, grown * ((end - time) / ramp).clamp(0.0, 1.0), grown * (time <= end))


def gyre_on(forcings: list[StormForcing], mesh: Mesh, points: Array) -> Array:
    """Current at some points (P, 2), m/s along the axes of the plane: (2, P, member)."""
    off = (points - _middle(mesh)) / (0.5 * _length(mesh))
    speed = np.array([forcing.gyre for forcing in forcings])
    return np.stack([off[:, 1:] * speed, -off[:, :1] * speed])


def _middle(mesh: Mesh) -> Array:
    return np.average(mesh.centres, axis=0, weights=mesh.areas)


def _length(mesh: Mesh) -> float:
    """Side of a square of the same area, m."""
    return math.sqrt(float(mesh.areas.sum()))
