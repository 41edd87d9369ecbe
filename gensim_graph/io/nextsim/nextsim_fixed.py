"""neXtSIM's run folders on a fixed mesh.

The model's mesh moves and is rebuilt; training wants one mesh. At every time, what is on triangles is brought to the
fixed mesh by their overlap, which keeps integrals where the domains coincide, and what is on nodes linearly. What that
costs is measured and kept in the attributes ``remap_*``. For the mesh of the model itself see
:mod:`~gensim_graph.io.nextsim.nextsim_moving`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.errors import InputError, naming
from gensim_graph.io.checks import check_cover
from gensim_graph.io.nextsim.nextsim_run import Coast, Snapshot, read_snapshots
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

_WHOLE = 0.999
"""Share of the domain of the run from which on the mesh has all of it."""


def read_nextsim(path: FilePath, mesh: Mesh | None = None) -> xr.Dataset:
    """A run as a UGRID dataset on one mesh.

    Args:
        path: folder of the run, or a file of one pair.
        mesh: the mesh to have it on; None takes that of the first output.

    Returns:
        Variables of the table on (time, face), velocities and winds on (time, node) along the axes of the mesh plane.
        Attributes ``remap_<volume, area, damage>_relative_error_max``: largest relative change of the integral by the
        remapping; ``remap_covered_share``: how much of the domain of the run the mesh covers, at least.

    Raises:
        InputError: missing or damaged files, fields that come and go, or a mesh that the run does not cover.
    """
    with naming(path):
        return _on_one_mesh(path, mesh)


def _on_one_mesh(path: FilePath, mesh: Mesh | None) -> xr.Dataset:
    snapshots = read_snapshots(path)
    first = next(snapshots)
    target = mesh if mesh is not None else first.to_mesh()
    budget, coast = _Budget(), Coast()
    times, columns = [], {name: [] for name in (*first.faces, *first.nodes)}  # type: ignore[var-annotated]

    for snapshot in _alike(first, snapshots):
        times.append(snapshot.time)
        coast.add(snapshot)
        for name, values in _fields(snapshot, target, budget).items():
            columns[name].append(values)

    if mesh is None and budget.remapped:
        log.warning("%s: the mesh moves; the fields are brought to that of the first output, mesh= names another", path)

    budget.report(str(path))
    data = {}

    for name, rows in columns.items():
        dims = ("time", "node" if name in first.nodes else "face")
        data[name] = (dims, np.stack(rows), default_variables()[name].attrs)

    if mesh is None:
        target = first.to_mesh(coast.of(first.mesh))

    frame = mesh_to_dataset(target).assign_coords(time=np.array(times, dtype="datetime64[ns]"))
    return frame.assign(data).assign_attrs(budget.attributes())


def _alike(first: Snapshot, others: Iterator[Snapshot]) -> Iterator[Snapshot]:
    """All snapshots; refuses fields that are not in every one of them."""
    names = {*first.faces, *first.nodes}
    yield first

    for snapshot in others:
        odd = names ^ {*snapshot.faces, *snapshot.nodes}
        if odd:
            raise InputError(
                f"'{snapshot.name}' and '{first.name}' differ in {', '.join(sorted(odd))}; all outputs need the same "
                "fields (output.variables)"
            )

        yield snapshot


def _fields(snapshot: Snapshot, target: Mesh, budget: "_Budget") -> dict[str, Array]:
    """All variables of a snapshot on the target: (F,) or (N,)."""
    source = snapshot.to_mesh()
    if source.matches(target) and (target.crs is None or source.crs == target.crs):
        return snapshot.faces | snapshot.nodes

    drawn = target if target.crs is None or source.crs is None else in_plane(target, source.crs)
    weights = conservative_weights(source, drawn)
    check_cover(snapshot.name, source, drawn, weights)
    faces = {name: remap_faces(values, weights) for name, values in snapshot.faces.items()}
    budget.add(source, drawn, weights, snapshot.faces, faces)

    return faces | _nodal(snapshot.nodes, source, target)


def _nodal(nodes: dict[str, Array], source: Mesh, target: Mesh) -> dict[str, Array]:
    """Vectors on the nodes of the target, along the axes of its plane."""
    if not nodes:
        return {}

    weights = linear_weights(source, points_in_plane(source, target.nodes, target.crs))
    turn = rotation(source, target, target.nodes)
    moved = {}

    for x, y in (("siu", "siv"), ("uas", "vas")):
        if x in nodes:
            parts = turn.to_plane(weights @ nodes[x], weights @ nodes[y])
            moved[x], moved[y] = (part.astype(nodes[x].dtype) for part in parts)

    return moved


@dataclass
class _Budget:
    """What remapping does to integrals over the domain, record by record."""

    errors: dict[str, list[float]] = field(default_factory=dict)
    covered: list[float] = field(default_factory=list)

    @property
    def remapped(self) -> bool:
        """Whether anything was."""
        return bool(self.covered)

    def add(
        self, source: Mesh, target: Mesh, weights: csr_array, before: dict[str, Array], after: dict[str, Array]
    ) -> None:
        """Compare the integrals of one record, over what the target covers where that is not all of the source."""
        share = float(covered(weights) @ target.areas / source.areas.sum())
        areas = source.areas if share > _WHOLE else weights.T @ target.areas
        self.covered.append(share)

        for name in filter(before.__contains__, _INTEGRALS):
            total = before[name].astype(np.float64) @ areas
            change = abs(after[name].astype(np.float64) @ target.areas - total)
            self.errors.setdefault(name, []).append(float(change / total) if total else float(change > 0))

    def attributes(self) -> dict[str, float]:
        """The largest errors, and the least cover; nothing where nothing was remapped."""
        if not self.remapped:
            return {}
        errors = {f"remap_{_INTEGRALS[name]}_relative_error_max": max(rows) for name, rows in self.errors.items()}
        return errors | {"remap_covered_share": min(self.covered)}

    def report(self, name: str) -> None:
        """Say it."""
        if not self.remapped:
            return

        errors = ", ".join(f"ice {_INTEGRALS[key]} {max(rows):.1e}" for key, rows in sorted(self.errors.items()))
        log.info("%s: %d records remapped, area-weighted; relative change of %s", name, len(self.covered), errors)
        if min(self.covered) < _WHOLE:
            log.warning("%s: the mesh covers %.1f %% of the domain of the run", name, 100 * min(self.covered))
