"""A neXtSIM run on one fixed mesh.

The model's mesh moves and is rebuilt; training needs one mesh. At every time, fields on triangles are remapped to the
fixed mesh by their overlap, which conserves integrals if both meshes cover the same domain; fields on nodes are
interpolated linearly. The error of the remapping is measured and stored in the attributes ``remap_*``. For the mesh of
the model itself see :mod:`~gensim_graph.io.nextsim.nextsim_moving`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.errors import naming
from gensim_graph.io.checks import check_cover
from gensim_graph.io.nextsim.nextsim_run import read_snapshots
from gensim_graph.io.nextsim.nextsim_snapshot import CoastNodes, Snapshot, check_same_fields
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import (
    conservative_weights,
    covered,
    in_plane,
    linear_weights,
    points_in_plane,
    remap_faces,
    rotation,
)
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_INTEGRALS = {"sit": "volume", "sic": "area", "sid": "damage"}
"""Variable -> name of its integral over the domain in the attributes."""

_FULL_COVER = 0.999
"""Share of the domain of the run; above it, the mesh counts as covering the whole domain."""


def read_nextsim(path: FilePath, mesh: Mesh | None = None, records: slice = slice(None)) -> xr.Dataset:
    """Read a run as a UGRID dataset on one mesh.

    Args:
        path: folder of the run, or a file of one pair.
        mesh: the mesh to remap to; None uses the mesh of the first output that is read.
        records: numbers of the outputs to read, in the order of time; all by default.

    Returns:
        Variables of the table on (time, face), velocities and winds on (time, node) along the axes of the mesh plane.
        Attributes ``remap_<volume, area, damage>_relative_error_max``: largest relative change of the integral by the
        remapping; ``remap_covered_share``: smallest share of the domain of the run that the mesh covers.

    Raises:
        InputError: missing or damaged files, outputs with different fields, or a mesh that the run does not cover.
    """
    with naming(path):
        return _read_on_one_mesh(path, mesh, records)


def _read_on_one_mesh(path: FilePath, mesh: Mesh | None, records: slice) -> xr.Dataset:
    snapshots = read_snapshots(path, records=records)
    first = next(snapshots)
    target = mesh if mesh is not None else first.to_mesh()

    errors = _RemapErrors()
    coast = CoastNodes()
    times: list[np.datetime64] = []
    columns: dict[str, list[Array]] = {name: [] for name in (*first.faces, *first.nodes)}

    for snapshot in _with_same_variables(first, snapshots):
        times.append(snapshot.time)
        coast.add(snapshot)
        for name, values in _variables_on(target, snapshot, errors).items():
            columns[name].append(values)

    if mesh is None and errors.remapped:
        log.warning("%s: the mesh moves; the fields are brought to that of the first output, mesh= names another", path)
    errors.report(str(path))

    if mesh is None:
        target = first.to_mesh(coast.on_mesh(first.mesh))

    data = {}
    for name, rows in columns.items():
        dims = ("time", "node" if name in first.nodes else "face")
        data[name] = (dims, np.stack(rows), default_variables()[name].attrs)

    dataset = mesh_to_dataset(target).assign_coords(time=np.array(times, dtype="datetime64[ns]"))
    return dataset.assign(data).assign_attrs(errors.attributes())


def _with_same_variables(first: Snapshot, others: Iterator[Snapshot]) -> Iterator[Snapshot]:
    """Yield all snapshots; refuse one that has other variables than the first."""
    names = {*first.faces, *first.nodes}
    yield first

    for snapshot in others:
        check_same_fields(first, snapshot, names ^ {*snapshot.faces, *snapshot.nodes})
        yield snapshot


def _variables_on(target: Mesh, snapshot: Snapshot, errors: "_RemapErrors") -> dict[str, Array]:
    """Return all variables of a snapshot on the target mesh: name -> (F,) or (N,)."""
    source = snapshot.to_mesh()
    if source.matches(target) and (target.crs is None or source.crs == target.crs):
        return snapshot.faces | snapshot.nodes

    target_here = target if target.crs is None or source.crs is None else in_plane(target, source.crs)
    weights = conservative_weights(source, target_here)
    check_cover(snapshot.name, source, target_here, weights)
    faces = {name: remap_faces(values, weights) for name, values in snapshot.faces.items()}
    errors.add(source, target_here, weights, snapshot.faces, faces)

    return faces | _vectors_on_nodes(target, source, snapshot.nodes)


def _vectors_on_nodes(target: Mesh, source: Mesh, nodes: dict[str, Array]) -> dict[str, Array]:
    """Return vectors on the nodes of the target mesh, along the axes of its plane."""
    if not nodes:
        return {}

    weights = linear_weights(source, points_in_plane(source, target.nodes, target.crs))
    axes = rotation(source, target, target.nodes)
    remapped = {}

    for x, y in (("siu", "siv"), ("uas", "vas")):
        if x in nodes:
            u, v = axes.to_plane(weights @ nodes[x], weights @ nodes[y])
            remapped[x] = u.astype(nodes[x].dtype)
            remapped[y] = v.astype(nodes[x].dtype)

    return remapped


@dataclass
class _RemapErrors:
    """Change of the integrals over the domain by remapping, at every time.

    Attributes:
        errors: variable -> relative change of its integral, one number for each remapped time.
        covered: share of the domain of the run that the mesh covers, one number for each remapped time.
    """

    errors: dict[str, list[float]] = field(default_factory=dict)
    covered: list[float] = field(default_factory=list)

    @property
    def remapped(self) -> bool:
        """Return True if any time was remapped."""
        return bool(self.covered)

    def add(
        self, source: Mesh, target: Mesh, weights: csr_array, before: dict[str, Array], after: dict[str, Array]
    ) -> None:
        """Compare the integrals of one time, over the part of the domain that the target mesh covers.

        Args:
            source: the mesh of the model.
            target: the fixed mesh, in the plane of the source.
            weights: conservative weights from source to target.
            before: variables on the faces of the source.
            after: the same on the faces of the target.
        """
        share = float(covered(weights) @ target.areas / source.areas.sum())
        areas = source.areas if share > _FULL_COVER else weights.T @ target.areas
        self.covered.append(share)

        for name in filter(before.__contains__, _INTEGRALS):
            total = before[name].astype(np.float64) @ areas
            change = abs(after[name].astype(np.float64) @ target.areas - total)
            self.errors.setdefault(name, []).append(float(change / total) if total else float(change > 0))

    def attributes(self) -> dict[str, float]:
        """Return the largest errors and the smallest cover as attributes; empty if nothing was remapped."""
        if not self.remapped:
            return {}

        errors = {f"remap_{_INTEGRALS[name]}_relative_error_max": max(rows) for name, rows in self.errors.items()}
        return errors | {"remap_covered_share": min(self.covered)}

    def report(self, name: str) -> None:
        """Log the errors of a run under its name, and warn if the mesh does not cover all of its domain."""
        if not self.remapped:
            return

        errors = ", ".join(f"ice {_INTEGRALS[key]} {max(rows):.1e}" for key, rows in sorted(self.errors.items()))
        log.info("%s: %d records remapped, area-weighted; relative change of %s", name, len(self.covered), errors)
        if min(self.covered) < _FULL_COVER:
            log.warning("%s: the mesh covers %.1f %% of the domain of the run", name, 100 * min(self.covered))
