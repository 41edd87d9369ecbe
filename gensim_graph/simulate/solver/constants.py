"""The physical constants of the solver, in one table.

Of two named sets, :data:`BENCHMARK` (default) is of neXtSIM-DG's idealised cyclone, :data:`NEXTSIM` of neXtSIM v2.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from gensim_graph.errors import POSITIVE, InputError, Rule, at_least, check_values


@dataclass(frozen=True)
class Constants:
    """Physical constants of ice, snow, air and ocean; stress is per unit of thickness.

    =================== ========= ========== ======= ============================================================
    name                unit      benchmark  neXtSIM meaning (source)
    =================== ========= ========== ======= ============================================================
    ice_density         kg m-3    900        917     (M, N)
    snow_density        kg m-3    330        330     (N)
    air_density         kg m-3    1.3        1.22    (M, N)
    water_density       kg m-3    1026       1025    (M, N)
    air_drag            1         1.2e-3     2.0e-3  quadratic (M, N)
    water_drag          1         5.5e-3     5.5e-3  quadratic (M)
    water_turning       degrees   0          25      of the water drag, to the left in the northern hemisphere (N)
    coriolis            s-1       1.45842e-4 same    twice the rotation rate of the Earth (M); multiplied by the
                                                     sine of the latitude if the mesh has a crs
    youngs_modulus      Pa        5.96e8     same    E0 of intact ice (O)
    poisson_ratio       1         1/3        same    (O)
    compaction          1         20         same    C in exp(-C (1 - A)) (O)
    relaxation_time     s         1e7        same    lambda0 of intact ice (O)
    relaxation_exponent 1         5          same    alpha (O)
    compression         Pa m-1.5  1e4        same    P0 of the compressive threshold (O)
    compression_power   1         1.5        same    exponent of the thickness in the threshold (O)
    internal_friction   1         0.7        same    tangent of the angle of friction, mu (O)
    lab_cohesion        Pa        2e6        same    of a laboratory sample of 0.1 m (O)
    lab_strength        Pa        1e10       same    compressive strength of such a sample (O)
    cohesion_spread     1         0          0.33    the cohesion of a cell is higher by a random part up to this
    healing_time        d         15         25      from fully damaged to intact (D, N)
    healing_compaction  1         0          20      C in the factor exp(-C (1 - A)) of the healing rate (N)
    least_thickness     m         0.05       same    least thickness in the inertia of thin ice and open water (N)
    least_concentration 1         0.1        same    below it the ice has no stress and no damage (N)
    =================== ========= ========== ======= ============================================================

    Sources: M Mehlmann et al. (2021, doi:10.1029/2021MS002523), O Olason et al. (2022, doi:10.1029/2021MS002685),
    N the defaults of neXtSIM v2, D those of the benchmark in neXtSIM-DG. ``cohesion_spread`` is neXtSIM's
    ``alea_factor``, which is 0 unless a run sets it.

    Raises:
        InputError: a value out of its range.

    Example:
        >>> from dataclasses import replace
        >>> from gensim_graph.simulate import BENCHMARK, NEXTSIM, Constants
        >>> Constants() == BENCHMARK, NEXTSIM.healing_time
        (True, 25.0)
        >>> replace(NEXTSIM, healing_time=20.0).healing_time
        20.0
        >>> replace(NEXTSIM, poisson_ratio=0.5)
        Traceback (most recent call last):
        gensim_graph.errors.InputError: constants.poisson_ratio: expected a number from 0 to below 0.5; came 0.5
    """

    ice_density: float = 900.0
    snow_density: float = 330.0
    air_density: float = 1.3
    water_density: float = 1026.0
    air_drag: float = 1.2e-3
    water_drag: float = 5.5e-3
    water_turning: float = 0.0
    coriolis: float = 1.45842e-4
    youngs_modulus: float = 5.96e8
    poisson_ratio: float = 1.0 / 3.0
    compaction: float = 20.0
    relaxation_time: float = 1e7
    relaxation_exponent: float = 5.0
    compression: float = 1e4
    compression_power: float = 1.5
    internal_friction: float = 0.7
    lab_cohesion: float = 2e6
    lab_strength: float = 1e10
    cohesion_spread: float = 0.0
    healing_time: float = 15.0
    healing_compaction: float = 0.0
    least_thickness: float = 0.05
    least_concentration: float = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {name: at_least(0) for name in self.__dataclass_fields__}
        positive = ("ice_density", "youngs_modulus", "relaxation_time", "lab_cohesion", "lab_strength")
        rules |= dict.fromkeys((*positive, "healing_time", "least_thickness"), POSITIVE)
        rules["water_turning"] = (lambda came: math.isfinite(came) and abs(came) < 90, "an angle below 90 degrees")
        rules["poisson_ratio"] = (lambda came: 0 <= came < 0.5, "a number from 0 to below 0.5")
        rules["least_concentration"] = (lambda came: 0 < came < 1, "a number between 0 and 1")
        check_values(self, "constants", rules)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file."""
        return asdict(self)


BENCHMARK = Constants()
"""Constants of the idealised cyclone in neXtSIM-DG."""

NEXTSIM = replace(
    BENCHMARK,
    ice_density=917.0,
    air_density=1.22,
    water_density=1025.0,
    air_drag=2.0e-3,
    water_turning=25.0,
    cohesion_spread=0.33,
    healing_time=25.0,
    healing_compaction=20.0,
)
"""Constants of neXtSIM v2, with the random cohesion of the built-in trajectories."""


def constants_named(name: str) -> Constants:
    """Return the set of constants of a name, ``benchmark`` or ``nextsim``.

    Raises:
        InputError: there is no set of that name.
    """
    sets = {"benchmark": BENCHMARK, "nextsim": NEXTSIM}
    if name not in sets:
        raise InputError(f"constants '{name}': expected one of {', '.join(sets)}")
    return sets[name]
