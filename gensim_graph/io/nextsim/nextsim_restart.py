"""Records on triangles of a neXtSIM restart, from a state that knows only some of them."""

import logging
from collections.abc import Mapping

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_state import checked_values, values_on_triangles
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_MAX_DAMAGE = 1.0 - 1e-10

_DEFAULTS = {
    "M_conc": 0.0,
    "M_thick": 0.0,
    "M_damage": 0.0,
    "M_snow_thick": 0.0,
    "M_ridge_ratio": 0.0,
    "M_conc_upd": 0.0,
    "M_tice_0": -10.0,  # degC, surface of the ice; M_tice_1 and M_tice_2 follow from it and M_sst
    "M_sigma_0": 0.0,
    "M_sigma_1": 0.0,
    "M_sigma_2": 0.0,
    "M_sst": -1.8,  # degC, the freezing point at the salinity M_sss
    "M_sss": 32.7273,  # g/kg
    "M_tsurf_young": 0.0,  # replaced by M_tice_0
    "M_h_young": 0.0,
    "M_hs_young": 0.0,
    "M_conc_young": 0.0,
    "M_random_number": 0.0,  # random part of the cohesion, replaced by numbers drawn from a seed
    "M_fyi_fraction": 0.0,
    "M_age_det": 0.0,
    "M_age": 0.0,
    "M_conc_myi": 0.0,
    "M_thick_myi": 0.0,
    "M_freeze_days": 0.0,
    "M_conc_summer": 0.0,
    "M_thick_summer": 0.0,
    "M_freeze_onset": 0.0,
    "M_del_vi_tend": 0.0,
    "M_pond_volume": 0.0,
    "M_lid_volume": 0.0,
    "M_tice_2": 0.0,
    "M_tice_1": 0.0,
}
"""Records on triangles that a default build of neXtSIM reads, in its order, and their default values."""


def restart_values(state: xr.Dataset, n_faces: int, fields: Mapping[str, Array] | None, seed: int) -> dict[str, Array]:
    """Return all records on triangles of a restart, name -> (F,) in neXtSIM's order.

    See :func:`~gensim_graph.io.nextsim.nextsim_writer.write_restart` for the values that the state does not have.

    Args:
        state: one time of a dataset on the mesh.
        n_faces: number F of triangles of the mesh.
        fields: records by neXtSIM's names, (F,), which replace all others.
        seed: seed of the random part of the cohesion.

    Raises:
        InputError: the state lacks ``sic`` or ``sit``, a field has a name that no restart has, or an array does not
            have F finite numbers.
    """
    known = _thick_ice(state, n_faces)
    known |= {name: checked_values(name, values, n_faces) for name, values in (fields or {}).items()}
    unknown = sorted(known.keys() - _DEFAULTS.keys())

    if unknown:
        raise InputError(f"fields has {', '.join(unknown)}; a restart has {', '.join(_DEFAULTS)}")

    complete = _with_defaults(known, state, n_faces, seed)
    return {name: complete[name] for name in _DEFAULTS}


def _thick_ice(state: xr.Dataset, n_faces: int) -> dict[str, Array]:
    """Return the state as records of thick ice; a triangle with volume but no area, or the reverse, is free of ice."""
    missing = [name for name in ("sic", "sit") if name not in state]
    if missing:
        raise InputError(f"a restart needs sic and sit; the state lacks {', '.join(missing)}")

    names = {"M_conc": "sic", "M_thick": "sit", "M_snow_thick": "snt", "M_damage": "sid"}
    values = {
        record: values_on_triangles(state, name, n_faces) if name in state else np.zeros(n_faces)
        for record, name in names.items()
    }
    values["M_conc"] = np.clip(values["M_conc"], 0.0, 1.0)
    values["M_damage"] = np.clip(values["M_damage"], 0.0, _MAX_DAMAGE)

    has_area = values["M_conc"] > 0
    has_volume = values["M_thick"] > 0
    ice = has_area & has_volume
    incomplete = has_area ^ has_volume

    if incomplete.any():
        log.warning(
            "%d triangles have ice area without volume or the other way round; they are left free of ice",
            incomplete.sum(),
        )

    return {record: np.where(ice, np.maximum(array, 0.0), 0.0) for record, array in values.items()}


def _with_defaults(known: dict[str, Array], state: xr.Dataset, n_faces: int, seed: int) -> dict[str, Array]:
    """Add the records that are not known: temperatures, the random part of the cohesion, and constants."""
    complete = {name: np.full(n_faces, value) for name, value in _DEFAULTS.items()} | known
    if "tus" in state:
        air = values_on_triangles(state, "tus", n_faces) - 273.15  # degC
        complete["M_tice_0"] = known.get("M_tice_0", np.minimum(air, 0.0))

    surface = complete["M_tice_0"]
    water = complete["M_sst"]
    computed = {
        "M_random_number": np.random.default_rng(seed).random(n_faces),
        "M_tice_1": 0.75 * surface + 0.25 * water,  # linear profile, at the middle of the upper half of the ice
        "M_tice_2": 0.25 * surface + 0.75 * water,
        "M_tsurf_young": surface,
    }

    return complete | {name: values for name, values in computed.items() if name not in known}
