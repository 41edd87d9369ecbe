"""What the records of neXtSIM's field files are in the words of the variable table.

Ordinary output and restarts have different names. neXtSIM splits the ice into thick and young ice; the state here is
the ice as a whole, so concentrations and volumes per area of both are added. Where ordinary output has only the thick
ice, the total is unknown and the variable is absent.
"""

from collections.abc import Callable, Sequence

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_pair import check_pair_complete, named, nodal_vector
from gensim_graph.io.nextsim.nextsim_records import Record
from gensim_graph.typing import Array

_TOTALS: dict[str, tuple[tuple[str, ...], ...]] = {
    "sic": (
        ("Concentration",),
        ("Concentration_thick_ice", "Concentration_young_ice"),
        ("M_conc", "M_conc_young"),
        ("M_conc",),
    ),
    "sit": (("Thickness",), ("Thick_ice", "Thickness_young_ice"), ("M_thick", "M_h_young"), ("M_thick",)),
    "snt": (("Snow",), ("Snow_thick_ice", "Snow_young_ice"), ("M_snow_thick", "M_hs_young"), ("M_snow_thick",)),
    "sid": (("Damage",), ("M_damage",)),
    "tus": (("M_tair",),),
    "huss": (("M_sphuma",), ("M_mixrat",)),
}
"""Variable on triangles -> records to add; the first entry whose records are all there counts."""

_YOUNG = ("M_conc_young", "M_h_young", "M_hs_young", "M_tsurf_young")
"""Records that a restart has all of, or none."""

_VECTORS = {"M_VT": ("siu", "siv"), "M_wind": ("uas", "vas")}
"""Record on nodes -> variables, along the axes of the plane."""

_CONVERSIONS: dict[str, Callable[[Array], Array]] = {
    "M_tair": lambda celsius: celsius + celsius.dtype.type(273.15),
    "M_mixrat": lambda ratio: ratio / (1 + ratio),
}
"""To the units of the variable table: K, and water vapour per moist instead of per dry air."""

_NODAL = {"M_ocean": "m s-1", "M_tau_wi": "Pa", "M_UT": "m", "M_ssh": "m"}
"""Other records on nodes, vectors but for the last, and their units."""

_NO_FIELDS = {"Time", "M_UM", "PreviousNumbering"}

_PER_DAY = ("vice_melt", "del_vi_young", "newice", "mlt_top", "mlt_bot", "snow2ice", "del_hi", "del_hi_young")
_FLUXES = ("Qatm", "Qsw", "Qlw", "Qsh", "Qlh", "Qocean", "Qnosun", "Qsw_ocean", "Qassim", "M_Qsw_in", "M_Qlw_in")
_WATER = ("D_fwflux", "D_fwflux_ice", "D_brine", "D_evap", "D_rain", "M_precip", "M_snowfall")
_CELSIUS = ("Tsurf", "Tsurf_young_ice", "SST", "M_dair", "M_ocean_temp", "M_sst", "M_tsurf_young")

UNITS = {
    **dict.fromkeys(("Sigma_0", "Sigma_1", "M_sigma_0", "M_sigma_1", "M_sigma_2", "M_mslp"), "Pa"),
    **dict.fromkeys(_CELSIUS, "degC"),
    **{f"{prefix}_{layer}": "degC" for prefix in ("Tice", "M_tice") for layer in range(3)},
    **dict.fromkeys(_FLUXES, "W m-2"),
    **dict.fromkeys(_WATER, "kg m-2 s-1"),
    **{f"D_{name}": "m day-1" for name in _PER_DAY},
    **dict.fromkeys(("Thickness_young_ice", "Snow_young_ice", "Thick_ice", "Snow_thick_ice", "Thickness_myi"), "m"),
    **dict.fromkeys(("M_thick", "M_h_young", "M_snow_thick", "M_hs_young", "M_thick_myi", "Dmax", "Dmean"), "m"),
    **dict.fromkeys(("Meltpond_volume", "Meltpond_lid_volume", "M_pond_volume", "M_lid_volume"), "m"),
    **dict.fromkeys(("M_mld", "M_element_depth"), "m"),
    **dict.fromkeys(("Age", "Age_d", "M_age", "M_age_det"), "s"),
    **dict.fromkeys(("SSS", "M_sss", "M_ocean_salt"), "g kg-1"),
    **dict.fromkeys(("Ridge_ratio", "M_ridge_ratio", "M_random_number", "M_snowfr", "M_tcc", "albedo"), "1"),
    **dict.fromkeys(("Concentration_thick_ice", "Concentration_young_ice", "Concentration_myi"), "1"),
    **dict.fromkeys(("M_conc", "M_conc_young", "M_conc_myi", "Fyi_fraction", "M_fyi_fraction"), "1"),
    "Meltpond_fraction": "1",
    "Divergence": "s-1",
}
"""Units of records on triangles that the variable table does not have."""


def pair_on_faces(records: Sequence[Record], n_faces: int) -> dict[str, Array]:
    """Variables of the table on triangles: name -> (F,), in its units.

    Raises:
        InputError: a record that is needed has another length, is there twice, or lacks what belongs to it.
    """
    check_pair_complete(records, _YOUNG)
    found: dict[str, Array] = {}

    for variable, choices in _TOTALS.items():
        names = next((names for names in choices if all(_has(records, name) for name in names)), ())
        parts = [_converted(name, _elemental(records, name, n_faces)) for name in names]
        if parts:
            found[variable] = sum(parts[1:], start=parts[0])

    return found


def on_nodes(records: Sequence[Record], n_nodes: int) -> dict[str, Array]:
    """Vectors of the table on nodes: name of a component -> (N,), m/s along the axes of the plane.

    Raises:
        InputError: see :func:`pair_on_faces`.
    """
    found: dict[str, Array] = {}
    for record, names in _VECTORS.items():
        vector = nodal_vector(records, record, n_nodes)
        if vector is not None:
            found.update(zip(names, vector.T, strict=True))

    return found


def other_fields(records: Sequence[Record], n_nodes: int, n_faces: int) -> dict[str, tuple[str, Array, str]]:
    """All other fields under their own names: name -> (``node`` or ``face``, values, units or nothing).

    Vectors become two, ``NAME_x`` and ``NAME_y``. Of records with one name, the later ones get a number.
    """
    used = {name for choices in _TOTALS.values() for names in choices[:1] for name in names} | set(_VECTORS)
    found: dict[str, tuple[str, Array, str]] = {}

    for record in records:
        if record.name in used | _NO_FIELDS or record.name.startswith("Drifter_") or record.values.dtype.kind != "f":
            continue
        for name, (location, values) in _placed(record, n_nodes, n_faces).items():
            units = _NODAL[record.name] if location == "node" else UNITS.get(record.name, "")
            found[_free(name, found)] = (location, values, units)

    return found


def _placed(record: Record, n_nodes: int, n_faces: int) -> dict[str, tuple[str, Array]]:
    """Where a record lives: name -> (location, values); nothing for one of another length."""
    name, values = record.name, record.values
    if name not in _NODAL:
        return {name: ("face", values)} if len(values) == n_faces else {}
    if len(values) == 2 * n_nodes:
        return {f"{name}_{axis}": ("node", part) for axis, part in zip("xy", values.reshape(2, -1), strict=True)}

    return {name: ("node", values)} if len(values) == n_nodes else {}


def _free(name: str, taken: dict[str, tuple[str, Array, str]]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _has(records: Sequence[Record], name: str) -> bool:
    return any(record.name == name for record in records)


def _elemental(records: Sequence[Record], name: str, n_faces: int) -> Array:
    values = named(records, name)
    assert values is not None  # _has
    if len(values) != n_faces:
        raise InputError(f"'{name}' has {len(values)} values; the mesh has {n_faces} triangles")
    return values


def _converted(name: str, values: Array) -> Array:
    return _CONVERSIONS[name](values) if name in _CONVERSIONS else values
