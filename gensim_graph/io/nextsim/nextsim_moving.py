"""A neXtSIM run on the mesh of the model itself, which moves with the ice.

Between two remeshings only the positions of the nodes change; a remeshing rebuilds the mesh and shuffles all rows. So a
run is a list of datasets, one for each interval without remeshing. Inside an interval every node and triangle has one
row, and nothing is padded. The time of a remeshing may stand at the end of one interval and at the start of the next.

The ids of the nodes link the intervals: boundary nodes have 1 to their number throughout, surviving nodes keep their
ids, new nodes get larger ones. Triangles have no ids and cannot be followed across a remeshing.
"""

import logging
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_fields import other_fields
from gensim_graph.io.nextsim.nextsim_run import is_nextsim, read_snapshots
from gensim_graph.io.nextsim.nextsim_snapshot import CoastNodes, Snapshot, check_same_fields
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.typing import Array, Path
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_MAX_SPEED = 5.0  # m/s; faster than any ice: both positions belong to different nodes


def open_moving(path: Path, remeshings: bool = True) -> list[xr.Dataset]:
    """Open a run of neXtSIM on its moving mesh: one dataset for each interval between remeshings, in order of time.

    One time of an interval, ``interval.isel(time=0)``, is a UGRID dataset with the mesh of that time. All fields of the
    run are held in memory.

    Args:
        path: folder of the run, or a file of one pair.
        remeshings: also read the pairs that the model wrote before and after remeshings, if it did
            (``output.export_before_regrid``): intervals then reach from one remeshing to the next.

    Returns:
        Datasets with dimensions ``time``, ``node`` and ``face``: ``node_x``, ``node_y`` (time, node) m in the plane of
        neXtSIM; ``node_id`` (node); the variables of the table, (time, face), and (time, node) for vectors along the
        axes of the plane; ``record`` (time), names of the pairs; every other field under neXtSIM's name.

    Raises:
        InputError: no run, missing or damaged files, outputs with different fields, or implausible values.

    Examples:
        Write two outputs of a square of two triangles that moves 360 m in an hour, and open them:

        >>> import tempfile
        >>> import numpy as np
        >>> import xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.io import drift, open_moving, write_output
        >>> corners = np.array([[0.0, 0.0], [1e4, 0.0], [1e4, 1e4], [0.0, 1e4]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for hour in (0, 1):
        ...         mesh = gg.Mesh.from_faces(corners + [360.0 * hour, 0.0], np.array([[0, 1, 2], [0, 2, 3]]))
        ...         time = np.datetime64("2000-01-01", "ns") + np.timedelta64(hour, "h")
        ...         state = xr.Dataset({"sic": ("face", [1.0, 0.5])}, {"time": time})
        ...         write_output(folder, f"20000101T{hour:02d}0000Z", state, mesh)
        ...     intervals = open_moving(folder)
        >>> [dict(interval.sizes)["time"] for interval in intervals]
        [2]
        >>> intervals[0].node_x.values[:, 1]
        array([10000., 10360.])
        >>> drift(intervals[0].isel(time=0), intervals[0].isel(time=1)).siu.values
        array([0.1, 0.1, 0.1, 0.1])
    """
    folder = FilePath(path)
    if not is_nextsim(folder):
        raise InputError(f"{folder}: no output of neXtSIM (mesh_*.bin with field_*.bin) here")

    with naming(folder):
        groups: list[list[Snapshot]] = []
        coast = CoastNodes()

        for snapshot in read_snapshots(folder, remeshings):
            coast.add(snapshot)
            if not groups or not groups[-1][-1].mesh.same_topology(snapshot.mesh):
                groups.append([])
            groups[-1].append(snapshot)

        return [_interval(group, coast).assign_attrs(origin=str(folder)) for group in groups]


def drift(before: xr.Dataset, after: xr.Dataset) -> xr.Dataset:
    r"""Mean drift between two times, from the positions of the nodes that exist at both.

    .. math:: u = \frac{x_1 - x_0}{t_1 - t_0}

    The ids find the nodes, also across remeshings. This mean differs from ``siu``, ``siv``, which are instantaneous;
    and nodes on an open boundary have a velocity but stay at their place. Only ids that are unique at both times are
    used. A node that would have moved faster than 5 m/s has got the id of another one; it is left out with a warning.

    Args:
        before: the first time, ``interval.isel(time=k)`` of :func:`open_moving`.
        after: the second time, of the same interval or of another one.

    Returns:
        Dataset over ``node``: ``node_id``, position ``x``, ``y`` (m) at the first time, ``siu``, ``siv`` (m/s) along
        the axes of the plane. See :func:`open_moving` for an example.

    Raises:
        InputError: more than one time, or a second time that is not after the first.
    """
    for part in (before, after):
        if "time" in part.dims or not {"node_id", "node_x", "node_y", "time"} <= set(part.variables):
            raise InputError("drift takes one time of a moving mesh each, interval.isel(time=k) of open_moving")

    seconds = float((after["time"].values - before["time"].values) / np.timedelta64(1, "s"))
    if seconds <= 0:
        raise InputError(f"the times of drift are {seconds:g} s apart; the second must come after the first")

    ids, rows_before, rows_after = _common_nodes(before["node_id"].values, after["node_id"].values)
    start = np.stack([before[name].values[rows_before] for name in ("node_x", "node_y")])
    end = np.stack([after[name].values[rows_after] for name in ("node_x", "node_y")])
    velocity = (end - start) / seconds

    kept = np.hypot(*velocity) <= _MAX_SPEED
    if not kept.all():
        log.warning("left out %d nodes: more than %g m/s, their ids are those of others", (~kept).sum(), _MAX_SPEED)

    table = default_variables()
    columns = {"node_id": ids, "x": start[0], "y": start[1], "siu": velocity[0], "siv": velocity[1]}
    attrs = {"siu": table["siu"].attrs, "siv": table["siv"].attrs, "x": {"units": "m"}, "y": {"units": "m"}}

    return xr.Dataset({name: ("node", values[kept], attrs.get(name, {})) for name, values in columns.items()})


def _common_nodes(before: Array, after: Array) -> tuple[Array, Array, Array]:
    """Return the ids that exist exactly once at both times, and their rows at the first and at the second time."""
    first, rows_first = _unique_ids(before)
    second, rows_second = _unique_ids(after)
    ids, at_first, at_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)

    return ids, rows_first[at_first], rows_second[at_second]


def _unique_ids(ids: Array) -> tuple[Array, Array]:
    """Return the ids that belong to one node only, and the rows of these nodes."""
    values, rows, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        log.warning(
            "%d ids belong to several nodes, which cannot be followed: the .msh of the run did not number its boundary "
            "nodes first",
            np.count_nonzero(counts > 1),
        )

    return values[counts == 1], rows[counts == 1]


def _interval(group: list[Snapshot], coast: CoastNodes) -> xr.Dataset:
    """Return one dataset of snapshots that have the same topology."""
    first = group[0]
    dataset = mesh_to_dataset(first.to_mesh(coast.on_mesh(first.mesh)))

    times = np.array([snapshot.time for snapshot in group], dtype="datetime64[ns]")
    dataset = dataset.assign_coords(time=times, record=("time", [snapshot.name for snapshot in group]))

    ids = ("node", first.mesh.ids, {"long_name": "id of the node, which lasts through remeshing"})
    positions = np.stack([snapshot.mesh.nodes for snapshot in group])
    coordinates = {
        name: (("time", "node"), positions[..., axis], dataset[name].attrs)
        for axis, name in enumerate(("node_x", "node_y"))
    }

    return dataset.assign(coordinates).assign_coords(node_id=ids).assign(_columns(group))


def _columns(group: list[Snapshot]) -> dict[str, tuple[tuple[str, str], Array, dict[str, str]]]:
    """Return every field over the times of an interval: name -> (dimensions, values, attributes)."""
    rows = [_all_fields(snapshot) for snapshot in group]
    for snapshot, fields in zip(group, rows, strict=True):
        check_same_fields(group[0], snapshot, rows[0].keys() ^ fields.keys())

    return {
        name: (("time", location), np.stack([fields[name][1] for fields in rows]), attrs)
        for name, (location, _, attrs) in rows[0].items()
    }


def _all_fields(snapshot: Snapshot) -> dict[str, tuple[str, Array, dict[str, str]]]:
    """Return variables and other fields of one time: name -> (location, values, attributes)."""
    table = default_variables()
    mesh = snapshot.mesh
    found = {name: ("face", values, table[name].attrs) for name, values in snapshot.faces.items()}
    found |= {name: ("node", values, table[name].attrs) for name, values in snapshot.nodes.items()}

    for name, (location, values, unit) in other_fields(snapshot.records, len(mesh.ids), len(mesh.faces)).items():
        found[name] = (location, values, {"units": unit} if unit else {})

    return found
