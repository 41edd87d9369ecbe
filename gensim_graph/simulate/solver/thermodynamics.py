r"""Growth and melt of ice and snow that store no heat (zero-layer model, Semtner 1976).

Surface: it gains :math:`K (T_a - T_s)` from air of a given temperature :math:`T_a` and
:math:`k (T_f - T_s)` by conduction from the bottom, with the conductance
:math:`k = (h_i / k_i + h_s / k_s)^{-1}` of ice and snow and the freezing point :math:`T_f` of sea water. In balance

.. math::
    T_s = \min\left(\frac{K T_a + k T_f}{K + k},\ 0\,^\circ\mathrm{C}\right)

Where the limit of 0 C is active, the heat that is left over melts first snow, then ice.

Bottom: it grows by the conducted heat minus the heat flux of the ocean.

Leads: open water at the freezing point loses :math:`K (T_f - T_a)` and freezes. In warm air this heat melts the ice
from the side (Hibler 1979).
"""

import math
from dataclasses import dataclass, replace

import torch

from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.state import State
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY

_YEAR = 365.25  # days
_MELTING = 273.15  # K
_FREEZING = 271.35  # K, of sea water, -1.8 C
_FUSION = 3.34e5  # J/kg
_ICE_CONDUCTIVITY = 2.03  # W/(m K)
_SNOW_CONDUCTIVITY = 0.31  # W/(m K)
_NEW_ICE = 0.25  # m, thickness of new ice in leads (between Hibler's 0.5 m and the values at high resolution)
_THIN = 0.05  # m, lower bound of the thickness in the conductance, which stays finite


@dataclass(frozen=True)
class Weather:
    """Air temperature and snowfall of a year that repeats; the air is warmer further from the pole.

    Attributes:
        mean: K, annual mean of the air temperature at the pole, and where a mesh has no latitude.
        contrast: K, annual mean at the equator minus that at the pole (North et al. 1981: 1.5 times 28 K).
        swing: K, air temperature in the middle of summer minus the annual mean.
        start: day of the year at which the run starts, 0 is 1 January; the coldest day is 15 January.
        snowfall: m of snow a year, in freezing air.
        exchange: W/(m2 K), heat exchange coefficient between surface and air.
        ocean_heat: W/m2, heat flux of the ocean into the bottom of the ice.
    """

    mean: float = 257.0
    contrast: float = 42.0
    swing: float = 18.0
    start: float = 0.0
    snowfall: float = 0.3
    exchange: float = 20.0
    ocean_heat: float = 2.0

    def temperature(self, time: float, sine: Float[Tensor, "*place"]) -> Float[Tensor, "*place"]:
        """Return the air temperature, K.

        The annual mean depends on the latitude as the second Legendre polynomial of its sine, as in the simplest
        climate models (North et al. 1981, doi:10.1029/RG019i001p00091).

        Args:
            time: s since the start of the run.
            sine: sine of the latitude.
        """
        day = self.start + time / SECONDS_PER_DAY
        season = self.swing * math.cos(2.0 * math.pi * (day - 14.0) / _YEAR)
        return self.mean - season + self.contrast * (1.0 - sine.square())


def grow_and_melt(
    state: State, weather: Weather, constants: Constants, air: Float[Tensor, "element 1"], dt: float
) -> State:
    """Return the state after growth and melt over one step.

    Args:
        state: before the step.
        weather: snowfall and heat exchange.
        constants: densities.
        air: K, temperature of the air.
        dt: s, length of the step.
    """
    # Thickness of ice and snow on the floes, and their conductance k.
    area = state.concentration.clamp(min=1e-6)
    ice = state.thickness / area
    snow = state.snow / area
    conductance = 1.0 / (ice.clamp(min=_THIN) / _ICE_CONDUCTIVITY + snow / _SNOW_CONDUCTIVITY)

    # T_s = min((K T_a + k T_f) / (K + k), 0 C); what is left over at 0 C melts a mass per area.
    balance = (weather.exchange * air + conductance * _FREEZING) / (weather.exchange + conductance)
    surface = balance.clamp(max=_MELTING)
    conducted = conductance * (_FREEZING - surface)
    melt = (weather.exchange * (air - surface) + conducted).clamp(min=0.0) * dt / _FUSION  # kg/m2

    # Snow melts first, then ice.
    fall = (air < _MELTING) * (weather.snowfall * dt / (_YEAR * SECONDS_PER_DAY))
    snow = snow + fall
    melted_snow = torch.minimum(snow, melt / constants.snow_density)
    melted_ice = (melt - constants.snow_density * melted_snow) / constants.ice_density

    growth = (conducted - weather.ocean_heat) * dt / (_FUSION * constants.ice_density)
    ice = (ice + growth - melted_ice).clamp(min=0.0)
    thickness = ice * state.concentration
    snow_volume = (snow - melted_snow) * state.concentration

    return _freeze_and_melt_leads(state, thickness, snow_volume, air, weather, constants, dt)


def _freeze_and_melt_leads(
    state: State, thickness: Tensor, snow: Tensor, air: Tensor, weather: Weather, constants: Constants, dt: float
) -> State:
    """Return the state after freezing and melting in the open water between the floes, with its effect on their area.

    Args:
        state: before the step.
        thickness: m, ice volume per area after growth and melt of the floes.
        snow: m, snow volume per area after melt.
        air: K, temperature of the air.
        weather: heat exchange.
        constants: densities.
        dt: s, length of the step.
    """
    open_water = 1.0 - state.concentration
    heat = weather.exchange * (_FREEZING - air) * dt / (_FUSION * constants.ice_density)  # m of ice
    new = (open_water * heat).clamp(min=-thickness)
    volume = thickness + new

    # Freezing adds area. Melt removes area as if floe thickness were evenly distributed between 0 and twice its mean
    # (Hibler 1979).
    frozen = new.clamp(min=0.0) / _NEW_ICE
    lost = (state.thickness - volume).clamp(min=0.0) / (2.0 * state.thickness.clamp(min=1e-6)) * state.concentration
    area = (state.concentration + frozen - lost).clamp(0.0, 1.0)
    area = torch.where(volume > 0.0, area, 0.0)

    return replace(state, thickness=volume, concentration=area, snow=torch.where(area > 0.0, snow, 0.0))
