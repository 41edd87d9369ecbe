r"""Moving cyclones and anticyclones: the wind of the idealised experiments, at random or as in the benchmark.

The wind :math:`(u, v)` of a storm along the axes of the plane, at :math:`(x', y')` from its centre and at the distance
:math:`r` from it (Mehlmann et al. 2021, doi:10.1029/2021MS002523):

.. math::
    u = -s (\cos\alpha\, x' + \sin\alpha\, y'), \quad v = -s (-\sin\alpha\, x' + \cos\alpha\, y'), \quad
    s = \pm \frac{w}{R} e^{1 - r / R}

The strongest wind is :math:`w`, at :math:`r = R`. A cyclone (plus) blows counter-clockwise and inwards, as in the
northern hemisphere; an anticyclone (minus) clockwise and outwards. In the southern hemisphere the angle :math:`\alpha`
changes its sign.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

_BOX = 512e3  # m, side of the domain of the benchmark, for which the sizes of random storms are chosen
_STRONGEST = 25.0  # m/s, upper bound of the wind speed where several storms overlap
_LIFETIME = 4.0  # days; after it the next storm follows
_STORM_AREA = 1500e3**2  # m2, area with one storm at a time


@dataclass(frozen=True)
class Storm:
    """One storm.

    Attributes:
        x, y: m, centre at the start of the run.
        east, north: m/s, velocity of the centre along the x and the y axis of the plane.
        wind: m/s, strongest wind; negative for an anticyclone.
        radius: m, distance of the strongest wind from the centre.
        angle: degrees between the wind and the direction to the centre, about 72.
        begin, end: s since the start of the run; the storm lives between these times.
        ramp: s, time in which the storm grows after its begin, and fades before its end if that is finite.
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
    """Forcing of one member: storms on a background wind, and a gyre in the ocean.

    Attributes:
        storms: one or more.
        background: m/s, wind far from the storms, along x and y of the plane.
        gyre: m/s, current at the edge of the domain, clockwise where positive.
    """

    storms: tuple[Storm, ...]
    background: tuple[float, float] = (0.0, 0.0)
    gyre: float = 0.01

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file."""
        return asdict(self)


def benchmark_forcing(mesh: Mesh) -> StormForcing:
    """Return the cyclone and gyre of the benchmark, Mehlmann et al. (2021) as neXtSIM-DG implements it.

    The strongest wind is 30 m/s over e, 11 m/s, at 100 km from the centre, without a ramp. The centre moves along the
    diagonal of the box, from its middle.
    """
    x, y = _middle(mesh)
    speed = 0.1 * _side_length(mesh) / SECONDS_PER_DAY
    storm = Storm(x, y, speed, speed, 30.0 / math.e, 100e3, 72.0)
    return StormForcing((storm,))


def random_forcing(mesh: Mesh, days: float, rng: np.random.Generator) -> StormForcing:
    """Draw random storms for a domain of any size.

    In the box of the benchmark there is one storm at a time, with a wind of 10 to 25 m/s at 70 to 200 km from its
    centre. It crosses the domain at 0.4 to 4 m/s, and the next one follows after four days. Every third storm is an
    anticyclone. In a smaller domain the storms are smaller in proportion; in a larger one they are up to two and a half
    times as large and as fast, and there are several at a time.

    Args:
        mesh: the domain.
        days: length of the run.
        rng: source of all random numbers.
    """
    scale = min(_side_length(mesh) / _BOX, 2.5)
    at_a_time = max(1, round(mesh.areas.sum() / _STORM_AREA))
    lifetimes = max(1, math.ceil(days / _LIFETIME - 1e-9))
    length = days * SECONDS_PER_DAY

    storms = [
        _random_storm(mesh, scale, number * _LIFETIME * SECONDS_PER_DAY, length, number == lifetimes - 1, rng)
        for number in range(lifetimes)
        for _ in range(at_a_time)
    ]
    background = tuple(float(part) for part in rng.normal(0.0, 1.5, 2))

    return StormForcing(tuple(storms), background, float(rng.uniform(-0.02, 0.02)))  # type: ignore[arg-type]


def _random_storm(mesh: Mesh, scale: float, begin: float, length: float, last: bool, rng: np.random.Generator) -> Storm:
    """Draw a storm with its centre somewhere in the domain in the middle of its life.

    Args:
        mesh: the domain.
        scale: size of the domain relative to the benchmark.
        begin: s since the start of the run.
        length: s, of the run.
        last: the storm blows until the end of the run.
        rng: source of all random numbers.
    """
    end = length if last else begin + _LIFETIME * SECONDS_PER_DAY

    # The order of the draws decides the storm that belongs to a seed.
    heading = rng.uniform(0.0, 2.0 * math.pi)
    speed = rng.uniform(0.4, 4.0) * max(scale, 0.25)
    centre = mesh.centres[rng.choice(mesh.n_faces, p=mesh.areas / mesh.areas.sum())]
    anticyclone = rng.random() < 1.0 / 3.0
    wind = rng.uniform(10.0, 25.0)
    radius = rng.uniform(70e3, 200e3) * scale
    angle = (81.0 if anticyclone else 72.0) + rng.normal(0.0, 3.0)

    east = speed * math.cos(heading)
    north = speed * math.sin(heading)
    middle = 0.5 * (begin + end)

    return Storm(
        x=float(centre[0] - east * middle),
        y=float(centre[1] - north * middle),
        east=float(east),
        north=float(north),
        wind=float(-wind if anticyclone else wind),
        radius=float(radius),
        angle=float(angle),
        begin=begin,
        end=math.inf if last else end,
        ramp=3.0 * SECONDS_PER_HOUR,
    )


class WindField:
    """The wind of several members at some points, as a function of time.

    Args:
        forcings: forcing of each member, all with the same number of storms.
        points: (P, 2) m in the plane of the mesh.
        southern: the domain is in the southern hemisphere.
        like: a tensor with the precision and device of the result.
    """

    def __init__(self, forcings: list[StormForcing], points: Array, southern: bool, like: Tensor) -> None:
        def tensor(values: object) -> Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(like)

        self.points = tensor(points.T[..., None])  # (2, P, 1)
        self.background = tensor([forcing.background for forcing in forcings]).T[:, None]
        self.turn = -1.0 if southern else 1.0

        names = [field.name for field in fields(Storm)]
        values = [[[getattr(storm, name) for name in names] for storm in forcing.storms] for forcing in forcings]
        by_storm = tensor(values).permute(1, 2, 0)  # (storm, attribute, member)
        self.storms = [dict(zip(names, storm, strict=True)) for storm in by_storm]
        self._begins = [float(storm["begin"].amin()) for storm in self.storms]
        self._ends = [float(storm["end"].amax()) for storm in self.storms]

    def __call__(self, time: float) -> Float[Tensor, "2 point member"]:
        """Return the wind at a time in s since the start of the run, m/s along the axes of the plane."""
        total = self.background.expand(2, self.points.shape[1], -1)
        for storm, begin, end in zip(self.storms, self._begins, self._ends, strict=True):
            if begin <= time <= end:  # a year has hundreds of storms, and only a few of them blow at a time
                total = total + self._wind_of(storm, time)

        speed = torch.sqrt(total.square().sum(dim=0))
        return total * (_STRONGEST / speed.clamp(min=_STRONGEST))

    def _wind_of(self, storm: dict[str, Tensor], time: float) -> Float[Tensor, "2 point member"]:
        """Return the wind of one storm of each member, m/s along the axes of the plane.

        Args:
            storm: attributes of :class:`Storm`, each (member,).
            time: s since the start of the run.
        """
        x = self.points[0] - (storm["x"] + storm["east"] * time)
        y = self.points[1] - (storm["y"] + storm["north"] * time)
        distance = torch.sqrt(x * x + y * y)

        # s = w / R exp(1 - r / R)
        profile = storm["wind"] / storm["radius"] * torch.exp(1.0 - distance / storm["radius"])
        strength = profile * _share_of_full_strength(storm, time)
        angle = torch.deg2rad(storm["angle"])
        cosine = torch.cos(angle)
        sine = self.turn * torch.sin(angle)

        return torch.stack([-strength * (cosine * x + sine * y), strength * (sine * x - cosine * y)])


def _share_of_full_strength(storm: dict[str, Tensor], time: float) -> Tensor:
    """Return the strength of a storm in the course of its life, from 0 to 1: (member,).

    Args:
        storm: attributes of :class:`Storm`, each (member,).
        time: s since the start of the run.
    """
    begin, end, ramp = storm["begin"], storm["end"], storm["ramp"]
    grown = torch.where(ramp > 0.0, ((time - begin) / ramp).clamp(0.0, 1.0), (begin <= time).to(ramp))
    return torch.where(ramp > 0.0, grown * ((end - time) / ramp).clamp(0.0, 1.0), grown * (time <= end))


def gyre_on(forcings: list[StormForcing], mesh: Mesh, points: Array) -> Array:
    """Compute the ocean current at some points, (2, P, member) m/s along the axes of the plane.

    Args:
        forcings: forcing of each member.
        mesh: the domain.
        points: (P, 2) m in the plane of the mesh.
    """
    offset = (points - _middle(mesh)) / (0.5 * _side_length(mesh))
    speed = np.array([forcing.gyre for forcing in forcings])
    return np.stack([offset[:, 1:] * speed, -offset[:, :1] * speed])


def _middle(mesh: Mesh) -> Array:
    """Return the area-weighted mean of the centres of the faces, (2,) m."""
    return np.average(mesh.centres, axis=0, weights=mesh.areas)


def _side_length(mesh: Mesh) -> float:
    """Return the side of a square with the area of the domain, m."""
    return math.sqrt(float(mesh.areas.sum()))
