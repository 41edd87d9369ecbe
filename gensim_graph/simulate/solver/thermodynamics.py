r"""Growth and melt in the simplest form: no heat is stored in ice or snow (zero-layer, Semtner 1976).

The surface exchanges heat with air of a given temperature, :math:`K (T_a - T_s)`, and conducts it,
:math:`(T_f - T_s) / (h_i / k_i + h_s / k_s)`. Where balance would need :math:`T_s > 0` C, snow and then ice melt with
what is left over. The bottom grows with what is conducted, less the heat of the ocean. Open water at the freezing point
loses :math:`K (T_f - T_a)` and freezes; in warm air it melts ice from the side (Hibler 1979).
"""

import math
from dataclasses import dataclass, replace

import torch

from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.state import State
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY

_YEAR = 365.25
_MELTING = 273.15  # K
_FREEZING = 271.35  # K, of sea water, -1.8 C
_FUSION = 3.34e5  # J/kg
_ICE_CONDUCTIVITY = 2.03  # W/(m K)
_SNOW_CONDUCTIVITY = 0.31  # W/(m K)
_NEW_ICE = 0.25  # m, thickness of new ice in leads (between Hibler's 0.5 m and what is used at high resolution)
_THIN = 0.05  # m, keeps conduction finite


@dataclass(frozen=True)
class Weather:
    """The air: a year that returns, the warmer the further from the pole.

    Attributes:
        mean: K, temperature of the air over the year at the pole, and where a mesh has no latitude.
        contrast: K, by which the mean over the year is higher at the equator (North et al. 1981: 1.5 times 28 K).
        swing: K, between the mean and the middle of summer.
        start: day of the year at which the run starts, 1 January is 0; the coldest day is 15 January.
        snowfall: m of snow a year, while it freezes.
        exchange: W/(m2 K), between surface and air.
        ocean_heat: W/m2, into the bottom of the ice.
    """

    mean: float = 257.0
    contrast: float = 42.0
    swing: float = 18.0
    start: float = 0.0
    snowfall: float = 0.3
    exchange: float = 20.0
    ocean_heat: float = 2.0

    def temperature(self, time: float, sine: Float[Tensor, "*place"]) -> Float[Tensor, "*place"]:
        """Of the air in K, at a time in s since the start, where the latitude has a sine.

        The mean over the year goes with the second Legendre polynomial of it, as in the simplest climate models (North
        et al. 1981, doi:10.1029/RG019i001p00091).
        """
        day = self.start + time / SECONDS_PER_DAY
        season = self.swing * math.cos(2.0 * math.pi * (day - 14.0) / _YEAR)
        return self.mean - season + self.contrast * (1.0 - sine.square())


def grow_and_melt(
    state: State, weather: Weather, constants: Constants, air: Float[Tensor, "element 1"], dt: float
) -> State:
    """The state after growth and melt over a step.

    Args:
        state: before.
        weather: snowfall and exchange of heat.
        constants: densities.
        air: K, temperature of the air.
        dt: s.
    """
    area = state.concentration.clamp(min=1e-6)
    ice, snow = state.thickness / area, state.snow / area
    conductance = 1.0 / (ice.clamp(min=_THIN) / _ICE_CONDUCTIVITY + snow / _SNOW_CONDUCTIVITY)
    balance = (weather.exchange * air + conductance * _FREEZING) / (weather.exchange + conductance)
    surface = balance.clamp(max=_MELTING)
    melt = (weather.exchange * (air - surface) + conductance * (_FREEZING - surface)).clamp(min=0.0) * dt / _FUSION
    fall = (air < _MELTING) * (weather.snowfall * dt / (_YEAR * SECONDS_PER_DAY))
    bottom = (conductance * (_FREEZING - surface) - weather.ocean_heat) * dt / (_FUSION * constants.ice_density)
    fresh = snow + fall
    melted_snow = torch.minimum(fresh, melt / constants.snow_density)
    melted_ice = (melt - constants.snow_density * melted_snow) / constants.ice_density
    grown = (ice + bottom - melted_ice).clamp(min=0.0)

    return _with_leads(
        state, grown * state.concentration, (fresh - melted_snow) * state.concentration, air, weather, constants, dt
    )


def _with_leads(
    state: State, thickness: Tensor, snow: Tensor, air: Tensor, weather: Weather, constants: Constants, dt: float
) -> State:
    """Freezing and melting in the open water between the floes, and what they do to the area of the ice."""
    open_water = 1.0 - state.concentration
    heat = weather.exchange * (_FREEZING - air) * dt / (_FUSION * constants.ice_density)  # m of ice
    new = (open_water * heat).clamp(min=-thickness)
    volume = thickness + new
    frozen = new.clamp(min=0.0) / _NEW_ICE
    # Melt takes area as if the floes were spread evenly from nothing to twice their mean (Hibler 1979).
    lost = (state.thickness - volume).clamp(min=0.0) / (2.0 * state.thickness.clamp(min=1e-6)) * state.concentration
    area = (state.concentration + frozen - lost).clamp(0.0, 1.0)
    area = torch.where(volume > 0.0, area, 0.0)

    return replace(state, thickness=volume, concentration=area, snow=torch.where(area > 0.0, snow, 0.0))
