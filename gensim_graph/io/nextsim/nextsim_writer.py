"""Pairs that neXtSIM itself reads: restarts to start it from, and ordinary output for its tools.

To start from a restart written here::

    [restart]
    start_from_restart=true
    type=extend
    input_path=FOLDER
    basename=NAME

To change a few records of a genuine file, read it with :func:`~gensim_graph.io.nextsim.nextsim_records.read_records`, replace their
values and write it with :func:`~gensim_graph.io.nextsim.nextsim_records.write_records`: all else stays byte for byte.
"""

import logging
from collections.abc import Mapping
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_pair import NextsimMesh
from gensim_graph.io.nextsim.nextsim_records import Record, record_files, write_files
from gensim_graph.io.nextsim.nextsim_run import EPOCH
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS
from gensim_graph.typing import Array, Path

log = logging.getLogger(__name__)

_MOST_DAMAGE = 1.0 - 1e-10
_COAST = 1  # id of the physical name "coast"

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
    "M_sst": -1.8,  # degC, the freezing point of
    "M_sss": 32.7273,  # g/kg
    "M_tsurf_young": 0.0,  # as M_tice_0
    "M_h_young": 0.0,
    "M_hs_young": 0.0,
    "M_conc_young": 0.0,
    "M_random_number": 0.0,  # of the cohesion, drawn from a seed
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
"""Records on triangles of a default build, in its order, and what they are where nobody says otherwise."""


def write_restart(
    folder: Path,
    name: str,
    state: xr.Dataset,
    mesh: Mesh,
    fields: Mapping[str, Array] | None = None,
    ids: Array | None = None,
    seed: int = 0,
) -> None:
    """Write ``mesh_NAME`` and ``field_NAME``, a restart of neXtSIM.

    The state is taken as thick ice. What it does not say gets the value in brackets, which ``fields`` replaces: stress,
    ridging, young ice, melt ponds, age and history of the ice (0), the random part of the cohesion (uniform in [0, 1]
    from ``seed``), water at its freezing point (``M_sst`` -1.8 degC, ``M_sss`` 32.7273 g/kg), ice temperatures
    ``M_tice_0``, ``_1``, ``_2`` (linear from the air temperature ``tus`` of the state, at most 0, or -10 degC, to that
    of the water), displacement of mesh and drifters since the last remeshing (0), step count (0: start with
    ``restart.type=extend`` or ``arbitrary``).

    Args:
        folder: where; it is made if need be.
        name: NAME, ``restart.basename`` of the run.
        state: one time of a dataset on the mesh, with ``time``: ``sic`` and ``sit`` on (face), and ``sid``, ``snt``
            (0 where absent) and ``siu``, ``siv`` on (face) or (node) (at rest).
        mesh: triangles in the plane of neXtSIM, with a coast.
        fields: records by neXtSIM's names, (F,), which go before everything else.
        ids: (N,) ids of the nodes, as :func:`~gensim_graph.data.open_moving` gives them; by default 1 to their number
            for boundary nodes, then the others.
        seed: of the random part of the cohesion.

    Raises:
        InputError: another mesh than neXtSIM takes, or a state that does not fit it.
    """
    native, held = _native(mesh, ids), _held(mesh)
    days = _days(state)
    cells = _thick_ice(state, mesh.n_faces) | {
        key: _sized(key, values, mesh.n_faces) for key, values in (fields or {}).items()
    }
    unknown = sorted(cells.keys() - _DEFAULTS.keys())

    if unknown:
        raise InputError(f"fields has {', '.join(unknown)}; a restart has {', '.join(_DEFAULTS)}")

    cells = _with_defaults(cells, state, mesh.n_faces, seed)
    still = np.zeros(2 * mesh.n_nodes)
    records = [
        Record("Misc_int", np.array([0, _COAST, 0, 0], dtype="<i4")),
        Record("M_dirichlet_flags", (held + 1).astype("<i4")),
        Record("Time", np.array([days])),
        *(Record(key, cells[key]) for key in _DEFAULTS),
        Record("M_VT", _velocity(state, mesh, held)),
        Record("M_UM", still),
        Record("M_UT", still),
        Record("PreviousNumbering", _previous_rows(mesh)),
    ]
    _write(FilePath(folder), name, native, records)


def write_output(folder: Path, name: str, state: xr.Dataset, mesh: Mesh, ids: Array | None = None) -> None:
    """Write ``mesh_NAME`` and ``field_NAME`` as ordinary output of neXtSIM, in float.

    Args:
        folder, name, mesh, ids: see :func:`write_restart`; any coast.
        state: one time of a dataset on the mesh, with ``time``; ``siu``, ``siv``, ``uas``, ``vas``, ``sid``, ``sic``,
            ``sit`` and ``snt`` are written where it has them.

    Raises:
        InputError: another mesh than neXtSIM takes, or a state that does not fit it.
    """
    native = _native(mesh, ids)
    records = [Record("Time", np.array([_days(state)]))]

    for record, (x, y) in {"M_VT": ("siu", "siv"), "M_wind": ("uas", "vas")}.items():
        if x in state:
            records.append(Record.in_float(record, np.concatenate([_nodal(state, part, mesh) for part in (x, y)])))

    for variable, record in {"sid": "Damage", "sic": "Concentration", "sit": "Thickness", "snt": "Snow"}.items():
        if variable in state:
            records.append(Record.in_float(record, _cell(state, variable, mesh.n_faces)))

    _write(FilePath(folder), name, native, records)


def _write(folder: FilePath, name: str, mesh: NextsimMesh, records: list[Record]) -> None:
    if FilePath(name).name != name:
        raise InputError(f"'{name}' cannot be the name of a pair; expected a word, without the folder")

    folder.mkdir(parents=True, exist_ok=True)
    write_files(
        record_files(folder / f"mesh_{name}.bin", mesh.records()) | record_files(folder / f"field_{name}.bin", records)
    )


def _native(mesh: Mesh, ids: Array | None) -> NextsimMesh:
    if mesh.faces.shape[1] != 3:
        raise InputError("neXtSIM takes triangles only; this mesh has faces with more corners")
    if mesh.crs is not None and mesh.crs != NEXTSIM_CRS:
        raise InputError(
            f"neXtSIM works in its own plane, the mesh is in '{mesh.crs.name}'; bring it there with "
            "gensim_graph.mesh.operators.reproject.in_plane and turn its vectors"
        )

    if ids is None:
        boundary = np.zeros(mesh.n_nodes, dtype=bool)
        boundary[mesh.boundary_edges] = True
        ids = np.empty(mesh.n_nodes, dtype=np.int32)
        ids[boundary], ids[~boundary] = np.split(np.arange(1, mesh.n_nodes + 1), [np.count_nonzero(boundary)])

    if ids.shape != (mesh.n_nodes,) or len(np.unique(ids)) != len(ids) or ids.min() < 1:
        raise InputError(f"ids must be {mesh.n_nodes} different numbers from 1; got {ids.shape}, some below 1 or twice")

    return NextsimMesh(mesh.nodes, mesh.faces, ids.astype(np.int32))


def _held(mesh: Mesh) -> Array:
    """Rows of the coast nodes, sorted: neXtSIM searches them by bisection."""
    held = np.unique(mesh.boundary_edges[mesh.boundary_kind == "coast"])
    if len(held) == 0:
        raise InputError("the mesh has no coast; neXtSIM cannot start without one node that is held")
    return held


def _days(state: xr.Dataset) -> float:
    time = next((state[name].values for name in ("valid_time", "time") if name in state.variables), np.empty(0))
    if time.ndim or not np.issubdtype(time.dtype, np.datetime64):
        raise InputError("the state must be one time, ds.isel(time=k), with a date in 'time' or 'valid_time'")
    return float((time.astype("datetime64[us]") - EPOCH) / np.timedelta64(1, "us")) / 86_400e6


def _sized(name: str, values: Array, count: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise InputError(f"'{name}' must be {count} finite numbers, one a triangle or node; got shape {array.shape}")
    return array


def _cell(state: xr.Dataset, name: str, n_faces: int) -> Array:
    return _sized(name, state[name].values, n_faces)


def _nodal(state: xr.Dataset, name: str, mesh: Mesh) -> Array:
    if name not in state:
        raise InputError(f"'{name}' is missing while the other component of the vector is here")
    values = state[name].values
    return _sized(name, mesh.to_nodes(values) if "face" in state[name].dims else values, mesh.n_nodes)


def _velocity(state: xr.Dataset, mesh: Mesh, held: Array) -> Array:
    """All x, then all y; at rest where the coast holds the ice."""
    if "siu" not in state and "siv" not in state:
        return np.zeros(2 * mesh.n_nodes)
    moves = ~np.isin(np.arange(mesh.n_nodes), held)
    return np.concatenate([np.where(moves, _nodal(state, name, mesh), 0.0) for name in ("siu", "siv")])


def _thick_ice(state: xr.Dataset, n_faces: int) -> dict[str, Array]:
    """The state on triangles; without volume or area there is no ice at all."""
    missing = [name for name in ("sic", "sit") if name not in state]
    if missing:
        raise InputError(f"a restart needs sic and sit; the state lacks {', '.join(missing)}")

    names = {"M_conc": "sic", "M_thick": "sit", "M_snow_thick": "snt", "M_damage": "sid"}
    cells = {
        record: _cell(state, name, n_faces) if name in state else np.zeros(n_faces) for record, name in names.items()
    }
    cells["M_conc"] = np.clip(cells["M_conc"], 0.0, 1.0)
    cells["M_damage"] = np.clip(cells["M_damage"], 0.0, _MOST_DAMAGE)
    ice = (cells["M_conc"] > 0) & (cells["M_thick"] > 0)
    odd = ~ice & ((cells["M_conc"] > 0) | (cells["M_thick"] > 0))

    if odd.any():
        log.warning(
            "%d triangles have ice area without volume or the other way round; they are left free of ice", odd.sum()
        )

    return {record: np.where(ice, np.maximum(values, 0.0), 0.0) for record, values in cells.items()}


def _with_defaults(cells: dict[str, Array], state: xr.Dataset, n_faces: int, seed: int) -> dict[str, Array]:
    """All records on triangles, see :func:`write_restart`."""
    filled = {name: np.full(n_faces, value) for name, value in _DEFAULTS.items()} | cells
    if "tus" in state:
        filled["M_tice_0"] = cells.get("M_tice_0", np.minimum(_cell(state, "tus", n_faces) - 273.15, 0.0))

    surface, water = filled["M_tice_0"], filled["M_sst"]
    drawn = {
        "M_random_number": np.random.default_rng(seed).random(n_faces),
        "M_tice_1": 0.75 * surface + 0.25 * water,  # the middle of the upper half of the ice
        "M_tice_2": 0.25 * surface + 0.75 * water,
        "M_tsurf_young": surface,
    }

    return filled | {name: values for name, values in drawn.items() if name not in cells}


def _previous_rows(mesh: Mesh) -> Array:
    """Row of every node in the mesh before, as after a remeshing that changed nothing: 0 on the boundary."""
    rows = np.arange(1.0, mesh.n_nodes + 1)
    rows[mesh.boundary_edges] = 0.0
    return rows
