"""Forcing from files and datasets: with members or without, on any grid, brought to the mesh of a forecast."""

import logging
from collections.abc import Sequence

import xarray as xr

from gensim_graph.data.forcing.forcing_ensemble import ForcingEnsemble
from gensim_graph.data.forcing.forcing_in_time import Forcing
from gensim_graph.data.series import ForcingSeries, series_of
from gensim_graph.errors import InputError, check_type
from gensim_graph.io import MESH_ADVICE, Records, Source, expand, has_topology, mesh_from_dataset, with_given_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.variables import VariableTable, default_variables

log = logging.getLogger(__name__)


def open_forcing(
    source: Source | Sequence[Source],
    mesh: Mesh | xr.Dataset,
    table: VariableTable | None = None,
    *,
    interpolate: bool = False,
    repeat: bool = False,
    topology: str | None = None,
) -> Forcing:
    """Open forcing for a mesh. Each record is read when a forecast needs it.

    Args:
        source: file, glob pattern, folder, dataset (lazy ones stay lazy), or a list of them. Files with the same
            variables follow each other in time; files with other variables, which may have other times and grids, are
            merged. Fields on another mesh or grid are remapped; vectors are turned to the axes of the plane of
            ``mesh``. With a dimension of members (``member``, ``number``, ``realization``, ...), each member of a
            forecast is driven by its own, in turn; variables without it are shared.
        mesh: mesh of the forecast, or a dataset on it.
        table: the forcing and slow variables of this table are read; None for the default table.
        interpolate: interpolate linearly in time between records.
        repeat: repeat the record: whole years by the calendar (29 February takes the values of 28 February if the
            record has none), a shorter record from its beginning.
        topology: name of the UGRID topology, for files with several.

    Raises:
        InputError: a file cannot be read, two have the same variable at the same time, there is no forcing variable,
            the domain is another one, or two ensembles differ in size.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = cyclone_trajectories("test")[0]
        >>> forcing = gg.open_forcing(path, mesh=gg.load_mesh(path), interpolate=True)
        >>> sorted(forcing.names)
        ['uas', 'vas']
        >>> forcing.at(np.datetime64("2000-01-02T04:30")).forcing.shape
        (2640, 4)
        >>> forcing.close()
    """
    mesh = mesh_from_dataset(mesh) if isinstance(mesh, xr.Dataset) else mesh
    check_type("mesh", mesh, Mesh, MESH_ADVICE)
    table = table or default_variables()
    wanted = VariableTable((*table.forcing, *table.slow))

    parts = []
    for item in expand(source):
        parts.append(Records(item, mesh, wanted, topology))
        parts[-1].close()  # years of daily files would be more than a process may have open

    forcing = Forcing(series_of(parts, interpolate, repeat), mesh, table)
    count = _n_members(forcing.series)
    if count == 1:
        return forcing

    log.info("forcing: %d members; each member of a forecast is driven by its own, in turn", count)
    series = [[one.of_member(member) for one in forcing.series] for member in range(count)]
    return ForcingEnsemble([Forcing(of_member, mesh, table) for of_member in series])


def as_forcing(forcing: xr.Dataset | Forcing, mesh: Mesh, table: VariableTable) -> Forcing:
    """Return forcing on a mesh from a dataset; :class:`Forcing` is returned unchanged.

    Args:
        forcing: a dataset with its mesh, or with values for all faces or nodes of ``mesh``; or opened forcing.
        mesh: mesh of the forecast.
        table: the variable table.

    Raises:
        InputError: as :func:`open_forcing`, or the forcing is on another mesh.
    """
    if isinstance(forcing, xr.Dataset):
        forcing = with_given_mesh(forcing, mesh, table)
        own_mesh = mesh_from_dataset(forcing, crs=mesh.crs) if has_topology(forcing) else None
    else:
        own_mesh = forcing.mesh

    if own_mesh is not None and not own_mesh.matches(mesh):
        raise InputError(
            f"forcing: on another mesh ({own_mesh.n_faces} faces) than the initial state ({mesh.n_faces} faces); "
            "open it with open_forcing(..., mesh), or both with open_store(..., mesh=mesh), to have them on one"
        )

    return forcing if isinstance(forcing, Forcing) else open_forcing(forcing, mesh, table)


def _n_members(series: Sequence[ForcingSeries]) -> int:
    counts = {one.n_members: one for one in series if one.n_members > 1}
    if len(counts) > 1:
        parts = " and ".join(f"{count} members of {', '.join(one.names)}" for count, one in counts.items())
        raise InputError(f"forcing: {parts}; give all of them with the same members, or without")
    return next(iter(counts), 1)
