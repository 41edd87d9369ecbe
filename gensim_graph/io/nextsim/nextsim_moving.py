"""neXtSIM's run folders on the mesh of the model itself, which moves with the ice.

Between two remeshings only positions change; a remeshing rebuilds the mesh and shuffles all rows. So a run is a list of
datasets, one for each interval without remeshing: inside it every node and triangle has one row, nothing is padded, and
the time of a remeshing may stand at the end of one interval and at the start of the next. What links the intervals are
the ids of the nodes: boundary nodes have 1 to their number throughout, others keep theirs while they last, new ones get
larger ones. Triangles have no ids and cannot be followed across a remeshing.
"""

import logging
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_fields import other_fields
from gensim_graph.io.nextsim.nextsim_run import Coast, Snapshot, is_nextsim, read_snapshots
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.typing import Array, Path
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_FASTEST = 5.0  # m/s; beyond this an id is not that of the same node


def open_moving(path: Path, remeshings: bool = True) -> list[xr.Dataset]:
    """A run of neXtSIM in its moving frame: one dataset for each interval between remeshings, in the order of time.

    A time selected from one, ``interval.isel(time=0)``, is a UGRID dataset with the mesh of that time. All fields of
    the run are held in memory.

    Args:
        path: folder of the run, or a file of one pair.
        remeshings: also read the pairs that the model wrote before and after remeshings, where it did
            (``output.export_before_regrid``): intervals then reach from one remeshing to the next.

    Returns:
        Datasets with dimensions ``time``, ``node`` and ``face``: ``node_x``, ``node_y`` (time, node) m in the plane of
        neXtSIM; ``node_id`` (node); the variables of the table, (time, face), and (time, node) for vectors along the
        axes of the plane; ``record`` (time), names of the pairs; every other field under neXtSIM's name.

    Raises:
        InputError: no run, missing or damaged files, fields that come and go, or values that are not plausible.
    """
    folder = FilePath(path)
    if not is_nextsim(folder):
        raise InputError(f"{folder}: no output of neXtSIM (mesh_*.bin with field_*.bin) here")

    with naming(folder):
        groups: list[list[Snapshot]] = []
        coast = Coast()

        for snapshot in read_snapshots(folder, remeshings):
            coast.add(snapshot)
            if not groups or not groups[-1][-1].mesh.same_topology(snapshot.mesh):
                groups.append([])
            groups[-1].append(snapshot)

        return [_interval(group, coast).assign_attrs(origin=str(folder)) for group in groups]


def drift(before: xr.Dataset, after: xr.Dataset) -> xr.Dataset:
    r"""Mean drift of the nodes that are in both of two times, from their positions.

    .. math:: u = \frac{x_1 - x_0}{t_1 - t_0}

    Works across remeshings, by the ids. It differs from ``siu``, ``siv``, which are instantaneous; and nodes on an
    open boundary have a velocity but stay where they are. An id counts where it is unique in both; nodes that would
    have moved faster than 5 m/s are not the same, and left out with a warning.

    Args:
        before, after: one time each, ``interval.isel(time=k)``, of one interval or of two.

    Returns:
        Dataset over ``node``: ``node_id``, position ``x``, ``y`` (m) at the first time, ``siu``, ``siv`` (m/s) along
        the axes of the plane.

    Raises:
        InputError: more than one time, or times that do not follow on one another.
    """
    for part in (before, after):
        if "time" in part.dims or not {"node_id", "node_x", "node_y", "time"} <= set(part.variables):
            raise InputError("drift takes one time of a moving mesh each, interval.isel(time=k) of open_moving")

    seconds = float((after["time"].values - before["time"].values) / np.timedelta64(1, "s"))
    if seconds <= 0:
        raise InputError(f"the times of drift are {seconds:g} s apart; the second must come after the first")

    ids, here, there = _survivors(before["node_id"].values, after["node_id"].values)
    start = np.stack([before[name].values[here] for name in ("node_x", "node_y")])
    end = np.stack([after[name].values[there] for name in ("node_x", "node_y")])
    velocity = (end - start) / seconds
    same = np.hypot(*velocity) <= _FASTEST

    if not same.all():
        log.warning("left out %d nodes: more than %g m/s, their ids are those of others", (~same).sum(), _FASTEST)

    table = default_variables()
    columns = {"node_id": ids, "x": start[0], "y": start[1], "siu": velocity[0], "siv": velocity[1]}
    attrs = {"siu": table["siu"].attrs, "siv": table["siv"].attrs, "x": {"units": "m"}, "y": {"units": "m"}}

    return xr.Dataset({name: ("node", values[same], attrs.get(name, {})) for name, values in columns.items()})


def _survivors(before: Array, after: Array) -> tuple[Array, Array, Array]:
    """Ids that are in both, once, and their rows in either."""
    (first, here), (second, there) = _unique(before), _unique(after)
    ids, a, b = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return ids, here[a], there[b]


def _unique(ids: Array) -> tuple[Array, Array]:
    """Ids that one node has alone, and its row."""
    values, rows, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        log.warning(
            "%d ids belong to several nodes, which cannot be followed: the .msh of the run did not number its boundary "
            "nodes first",
            np.count_nonzero(counts > 1),
        )

    return values[counts == 1], rows[counts == 1]


def _interval(group: list[Snapshot], coast: Coast) -> xr.Dataset:
    """One dataset of snapshots with one topology."""
    first = group[0]
    ds = mesh_to_dataset(first.to_mesh(coast.of(first.mesh)))
    times = np.array([snapshot.time for snapshot in group], dtype="datetime64[ns]")
    ds = ds.assign_coords(time=times, record=("time", [snapshot.name for snapshot in group]))
    ids = ("node", first.mesh.ids, {"long_name": "id of the node, which lasts through remeshing"})
    positions = np.stack([snapshot.mesh.nodes for snapshot in group])
    moving = {
        name: (("time", "node"), positions[..., axis], ds[name].attrs) for axis, name in enumerate(("node_x", "node_y"))
    }

    return ds.assign(moving).assign_coords(node_id=ids).assign(_columns(group))


def _columns(group: list[Snapshot]) -> dict[str, tuple[tuple[str, str], Array, dict[str, str]]]:
    """Every field over the times of an interval."""
    rows = [_fields(snapshot) for snapshot in group]
    for snapshot, fields in zip(group, rows, strict=True):
        odd = rows[0].keys() ^ fields.keys()
        if odd:
            raise InputError(
                f"'{snapshot.name}' and '{group[0].name}' differ in {', '.join(sorted(odd))}; all outputs need the "
                "same fields (output.variables)"
            )

    return {
        name: (("time", location), np.stack([fields[name][1] for fields in rows]), attrs)
        for name, (location, _, attrs) in rows[0].items()
    }


def _fields(snapshot: Snapshot) -> dict[str, tuple[str, Array, dict[str, str]]]:
    """Name -> (location, values, attributes)."""
    table, mesh = default_variables(), snapshot.mesh
    found = {name: ("face", values, table[name].attrs) for name, values in snapshot.faces.items()}
    found |= {name: ("node", values, table[name].attrs) for name, values in snapshot.nodes.items()}
    for name, (location, values, units) in other_fields(snapshot.records, len(mesh.ids), len(mesh.faces)).items():
        found[name] = (location, values, {"units": units} if units else {})

    return found
