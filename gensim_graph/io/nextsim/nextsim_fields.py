"""Records of neXtSIM's field files as variables of the variable table, and all other records under their own names.

Ordinary output and restarts use different names. neXtSIM splits the ice into thick and young ice; the variables of the
table describe the ice as a whole, so concentrations and volumes per area of both are added. If ordinary output has
only the thick ice, the total is unknown and the variable is left out.
"""

from collections.abc import Callable, Sequence

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_lookup import check_records_complete, nodal_vector, record_values
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
"""Variable on triangles -> choices of records to add; the first choice with all its records in the file is used."""

_YOUNG = ("M_conc_young", "M_h_young", "M_hs_young", "M_tsurf_young")
"""Records of young ice: a restart has all of them or none."""

_VECTORS = {"M_VT": ("siu", "siv"), "M_wind": ("uas", "vas")}
"""Record on nodes -> variables for its two components, along the axes of the plane."""

_CONVERSIONS: dict[str, Callable[[Array], Array]] = {
    "M_tair": lambda celsius: celsius + celsius.dtype.type(273.15),
    "M_mixrat": lambda ratio: ratio / (1 + ratio),
}
"""Record -> conversion to the unit of the variable table: degC to K, and mixing ratio (vapour per mass of dry air) to
specific humidity (vapour per mass of moist air)."""

_NODAL = {"M_ocean": "m s-1", "M_tau_wi": "Pa", "M_UT": "m", "M_ssh": "m"}
"""Other records on nodes and their units; all but the last are vectors."""

_NO_FIELDS = {"Time", "M_UM", "PreviousNumbering"}

_PER_DAY = ("vice_melt", "del_vi_young", "newice", "mlt_top", "mlt_bot", "snow2ice", "del_hi", "del_hi_young")
_FLUXES = ("Qatm", "Qsw", "Qlw", "Qsh", "Qlh", "Qocean", "Qnosun", "Qsw_ocean", "Qassim", "M_Qsw_in", "M_Qlw_in")
_WATER = ("D_fwflux", "D_fwflux_ice", "D_brine", "D_evap", "D_rain", "M_precip", "M_snowfall")
_CELSIUS = ("Tsurf", "Tsurf_young_ice", "SST", "M_dair", "M_ocean_temp", "M_sst", "M_tsurf_young")

_UNITS = {
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
"""Record on triangles -> unit, for records without a variable in the table."""


def face_variables(records: Sequence[Record], n_faces: int) -> dict[str, Array]:
    """Return the variables of the table on triangles: name -> (F,), in the units of the table.

    Args:
        records: all records of a field file.
        n_faces: number F of triangles of the mesh.

    Raises:
        InputError: a record of a variable has another length, occurs twice, or lacks a record that belongs to it.
    """
    check_records_complete(records, _YOUNG)
    names_in_file = {record.name for record in records}
    found: dict[str, Array] = {}

    for variable, choices in _TOTALS.items():
        names = next((names for names in choices if names_in_file.issuperset(names)), ())
        parts = [_in_table_units(name, _values_on_faces(records, name, n_faces)) for name in names]
        if parts:
            found[variable] = sum(parts[1:], start=parts[0])

    return found


def node_variables(records: Sequence[Record], n_nodes: int) -> dict[str, Array]:
    """Return the vectors of the table on nodes: name of a component -> (N,), m/s along the axes of the plane.

    Args:
        records: all records of a field file.
        n_nodes: number N of nodes of the mesh.

    Raises:
        InputError: see :func:`face_variables`.
    """
    found: dict[str, Array] = {}
    for record, names in _VECTORS.items():
        vector = nodal_vector(records, record, n_nodes)
        if vector is not None:
            found.update(zip(names, vector.T, strict=True))

    return found


def other_fields(records: Sequence[Record], n_nodes: int, n_faces: int) -> dict[str, tuple[str, Array, str]]:
    """Return all other fields under neXtSIM's names.

    A vector becomes two fields, ``NAME_x`` and ``NAME_y``. If several records have one name, the later ones get a
    number: ``NAME_2``, ``NAME_3``.

    Args:
        records: all records of a field file.
        n_nodes: number N of nodes of the mesh.
        n_faces: number F of triangles of the mesh.

    Returns:
        Name -> (``node`` or ``face``, values (N,) or (F,), unit or an empty text).
    """
    used = {name for choices in _TOTALS.values() for names in choices[:1] for name in names} | set(_VECTORS)
    found: dict[str, tuple[str, Array, str]] = {}

    for record in records:
        if record.name in used | _NO_FIELDS or record.name.startswith("Drifter_") or record.values.dtype.kind != "f":
            continue

        for name, (location, values) in _on_mesh(record, n_nodes, n_faces).items():
            unit = _NODAL[record.name] if location == "node" else _UNITS.get(record.name, "")
            found[_unused_name(name, found)] = (location, values, unit)

    return found


def _on_mesh(record: Record, n_nodes: int, n_faces: int) -> dict[str, tuple[str, Array]]:
    """Return the fields of a record: name -> (location, values); empty if its length fits neither nodes nor faces."""
    name = record.name
    values = record.values

    if name not in _NODAL:
        return {name: ("face", values)} if len(values) == n_faces else {}
    if len(values) == 2 * n_nodes:
        return {f"{name}_{axis}": ("node", part) for axis, part in zip("xy", values.reshape(2, -1), strict=True)}

    return {name: ("node", values)} if len(values) == n_nodes else {}


def _unused_name(name: str, taken: dict[str, tuple[str, Array, str]]) -> str:
    number = 2
    unused = name

    while unused in taken:
        unused = f"{name}_{number}"
        number += 1

    return unused


def _values_on_faces(records: Sequence[Record], name: str, n_faces: int) -> Array:
    values = record_values(records, name)
    assert values is not None  # the caller has found it among the names
    if len(values) != n_faces:
        raise InputError(f"'{name}' has {len(values)} values; the mesh has {n_faces} triangles")

    return values


def _in_table_units(name: str, values: Array) -> Array:
    return _CONVERSIONS[name](values) if name in _CONVERSIONS else values
