"""Pairs of files that neXtSIM itself reads: restarts to start it from, and ordinary output for its tools.

To start neXtSIM from a restart written here::

    [restart]
    start_from_restart=true
    type=extend
    input_path=FOLDER
    basename=NAME

To change a few records of a genuine file, read it with
:func:`~gensim_graph.io.nextsim.nextsim_records.read_records`, replace their values and write it with
:func:`~gensim_graph.io.nextsim.nextsim_records.write_records`: everything else remains byte for byte.
"""

from collections.abc import Mapping
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_pair import NextsimMesh
from gensim_graph.io.nextsim.nextsim_records import Record, record_files, write_files
from gensim_graph.io.nextsim.nextsim_restart import restart_values
from gensim_graph.io.nextsim.nextsim_state import state_days, values_on_triangles, vector_on_nodes
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS
from gensim_graph.typing import Array, Path

_COAST_ID = 1  # of the physical name "coast" in the mesh file of the run

_OUTPUT_VECTORS = {"M_VT": ("siu", "siv"), "M_wind": ("uas", "vas")}
_OUTPUT_SCALARS = {"Damage": "sid", "Concentration": "sic", "Thickness": "sit", "Snow": "snt"}


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

    The state becomes thick ice. The state does not contain everything that a restart needs. The rest gets these values,
    which ``fields`` can replace on triangles:

    - stress, ridging, young ice, melt ponds, age and history of the ice: 0;
    - random part of the cohesion: uniform in [0, 1], drawn from ``seed``;
    - water at its freezing point: ``M_sst`` -1.8 degC, ``M_sss`` 32.7273 g/kg;
    - ice temperatures ``M_tice_0``, ``_1``, ``_2``: linear from the air temperature ``tus`` of the state (at most 0
      degC; -10 degC without ``tus``) to the temperature of the water;
    - displacement of mesh and drifters since the last remeshing: 0;
    - step count: 0, so start with ``restart.type=extend`` or ``arbitrary``.

    Args:
        folder: folder for the files; it is created if it does not exist.
        name: NAME, which is ``restart.basename`` of the run.
        state: one time of a dataset on the mesh, with ``time``: ``sic`` and ``sit`` on (face); ``sid`` and ``snt`` on
            (face), 0 if absent; ``siu`` and ``siv`` on (face) or (node), at rest if absent.
        mesh: triangles in the plane of neXtSIM, with a coast.
        fields: records by neXtSIM's names, (F,), which replace the values of the state and the defaults.
        ids: (N,) ids of the nodes, as :func:`~gensim_graph.io.open_moving` gives them; by default boundary nodes get 1
            to their number and the other nodes the numbers after them.
        seed: seed of the random part of the cohesion.

    Raises:
        InputError: a mesh that neXtSIM does not accept, or a state that does not fit the mesh.

    Examples:
        A square of two triangles with a coast all around:

        >>> import tempfile
        >>> import numpy as np
        >>> import xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.io import write_restart
        >>> corners = np.array([[0.0, 0.0], [1e4, 0.0], [1e4, 1e4], [0.0, 1e4]])
        >>> coast = {"coast": np.array([[0, 1], [1, 2], [2, 3], [3, 0]])}
        >>> mesh = gg.Mesh.from_faces(corners, np.array([[0, 1, 2], [0, 2, 3]]), boundaries=coast)
        >>> ice = {"sic": ("face", [1.0, 0.5]), "sit": ("face", [2.0, 0.5])}
        >>> state = xr.Dataset(ice, {"time": np.datetime64("2000-01-01", "ns")})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_restart(folder, "start", state, mesh)
        ...     start = gg.open_store(f"{folder}/mesh_start.bin")
        >>> start.time.values
        array(['2000-01-01T00:00:00.000000000'], dtype='datetime64[ns]')
        >>> start.sit.values
        array([[2. , 0.5]], dtype=float32)
    """
    native = _native_mesh(mesh, ids)
    coast = _coast_rows(mesh)
    days = state_days(state)
    values = restart_values(state, mesh.n_faces, fields, seed)
    no_displacement = np.zeros(2 * mesh.n_nodes)

    records = [
        Record("Misc_int", np.array([0, _COAST_ID, 0, 0], dtype="<i4")),
        Record("M_dirichlet_flags", (coast + 1).astype("<i4")),
        Record("Time", np.array([days])),
        *(Record(key, array) for key, array in values.items()),
        Record("M_VT", _velocity(state, mesh, coast)),
        Record("M_UM", no_displacement),
        Record("M_UT", no_displacement),
        Record("PreviousNumbering", _previous_rows(mesh)),
    ]
    _write_pair(FilePath(folder), name, native, records)


def write_output(folder: Path, name: str, state: xr.Dataset, mesh: Mesh, ids: Array | None = None) -> None:
    """Write ``mesh_NAME`` and ``field_NAME`` as ordinary output of neXtSIM, in single precision.

    Args:
        folder: folder for the files; it is created if it does not exist.
        name: NAME of the pair, for instance a date such as ``20000101T050000Z``.
        state: one time of a dataset on the mesh, with ``time``; of its variables, ``siu``, ``siv``, ``uas``, ``vas``,
            ``sid``, ``sic``, ``sit`` and ``snt`` are written.
        mesh: triangles in the plane of neXtSIM, with or without a coast.
        ids: (N,) ids of the nodes, see :func:`write_restart`.

    Raises:
        InputError: a mesh that neXtSIM does not accept, or a state that does not fit the mesh.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.io import write_output
        >>> corners = np.array([[0.0, 0.0], [1e4, 0.0], [1e4, 1e4], [0.0, 1e4]])
        >>> mesh = gg.Mesh.from_faces(corners, np.array([[0, 1, 2], [0, 2, 3]]))
        >>> state = xr.Dataset({"sic": ("face", [1.0, 0.5])}, {"time": np.datetime64("2000-01-01", "ns")})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_output(folder, "20000101T000000Z", state, mesh)
        ...     print(Path(folder, "field_20000101T000000Z.dat").read_text())
        Time double 1 36524 36524
        Concentration float 2 0.5 1
        <BLANKLINE>
    """
    native = _native_mesh(mesh, ids)
    records = [Record("Time", np.array([state_days(state)]))]

    for record, names in _OUTPUT_VECTORS.items():
        if names[0] in state:
            records.append(Record.in_float(record, vector_on_nodes(state, names, mesh)))

    for record, variable in _OUTPUT_SCALARS.items():
        if variable in state:
            records.append(Record.in_float(record, values_on_triangles(state, variable, mesh.n_faces)))

    _write_pair(FilePath(folder), name, native, records)


def _write_pair(folder: FilePath, name: str, mesh: NextsimMesh, records: list[Record]) -> None:
    if FilePath(name).name != name:
        raise InputError(f"'{name}' cannot be the name of a pair; expected a word, without the folder")

    folder.mkdir(parents=True, exist_ok=True)
    mesh_files = record_files(folder / f"mesh_{name}.bin", mesh.records())
    field_files = record_files(folder / f"field_{name}.bin", records)
    write_files(mesh_files | field_files)


def _native_mesh(mesh: Mesh, ids: Array | None) -> NextsimMesh:
    """Return the mesh as neXtSIM stores it, with ids of the nodes."""
    if mesh.faces.shape[1] != 3:
        raise InputError("neXtSIM takes triangles only; this mesh has faces with more corners")
    if mesh.crs is not None and mesh.crs != NEXTSIM_CRS:
        raise InputError(
            f"neXtSIM works in its own plane, the mesh is in '{mesh.crs.name}'; bring it there with "
            "gensim_graph.mesh.operators.in_plane and turn its vectors"
        )

    ids = _boundary_first(mesh) if ids is None else ids
    if ids.shape != (mesh.n_nodes,) or len(np.unique(ids)) != len(ids) or ids.min() < 1:
        raise InputError(f"ids must be {mesh.n_nodes} different numbers from 1; got {ids.shape}, some below 1 or twice")

    return NextsimMesh(mesh.nodes, mesh.faces, ids.astype(np.int32))


def _boundary_first(mesh: Mesh) -> Array:
    """Return ids of the nodes: boundary nodes have 1 to their number, the others follow."""
    on_boundary = np.zeros(mesh.n_nodes, dtype=bool)
    on_boundary[mesh.boundary_edges] = True
    n_boundary = np.count_nonzero(on_boundary)

    ids = np.empty(mesh.n_nodes, dtype=np.int32)
    ids[on_boundary] = np.arange(1, n_boundary + 1)
    ids[~on_boundary] = np.arange(n_boundary + 1, mesh.n_nodes + 1)

    return ids


def _coast_rows(mesh: Mesh) -> Array:
    """Return the rows of the coast nodes, sorted because neXtSIM searches them by bisection."""
    rows = np.unique(mesh.boundary_edges[mesh.boundary_kind == "coast"])
    if len(rows) == 0:
        raise InputError("the mesh has no coast; neXtSIM cannot start without one node that is held")

    return rows


def _velocity(state: xr.Dataset, mesh: Mesh, coast: Array) -> Array:
    """Return the drift, (2 N,): all x, then all y components; at rest on the coast."""
    if "siu" not in state and "siv" not in state:
        return np.zeros(2 * mesh.n_nodes)

    components = vector_on_nodes(state, ("siu", "siv"), mesh).reshape(2, -1)
    components[:, coast] = 0.0

    return components.ravel()


def _previous_rows(mesh: Mesh) -> Array:
    """Return the row of every node in the mesh before, as after a remeshing without changes: 0 on the boundary."""
    rows = np.arange(1.0, mesh.n_nodes + 1)
    rows[mesh.boundary_edges] = 0.0
    return rows
