"""Trajectories and forecasts to files that other tools open.

``.nc`` and ``.zarr`` on the mesh (CF, UGRID-1.0) or on a grid (CF); ``.vtu`` and ``.pvd`` for ParaView. Whatever is
written is whole or not there, and is written record by record: memory does not grow with the length.
"""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.export.paraview import write_states
from gensim_graph.io.export.placement import FieldLayout, on_mesh_in_degrees, on_other_mesh, on_own_mesh
from gensim_graph.io.export.regrid import on_grid
from gensim_graph.io.export.storage import Column, check_store, chunks_of, created
from gensim_graph.io.fields import RECORDS, Fields
from gensim_graph.mesh import Mesh
from gensim_graph.system import write_atomically
from gensim_graph.typing import Path
from gensim_graph.variables import Variable, VariableTable

OUTPUT_SUFFIXES = (".nc", ".zarr", ".vtu", ".pvd")
"""What :func:`write_dataset` writes."""


def write_dataset(
    dataset: xr.Dataset,
    path: Path,
    *,
    grid: str | None = None,
    mesh: Mesh | None = None,
    degrees: bool = False,
    variables: VariableTable | None = None,
    on_record: Callable[[], object] | None = None,
) -> FilePath:
    """Write the variables of a trajectory or forecast; the suffix of ``path`` says as what.

    On a grid every cell gets the mean over what the mesh covers of it, and NaN where that is nothing; vectors point
    east and north where the grid is one of longitudes and latitudes, else along its axes. ``sea_area`` is what the mesh
    covers of each cell: the sum of value times ``sea_area`` over the grid is the integral over the mesh.

    Args:
        dataset: on a mesh, as :func:`~gensim_graph.data.open_store` or a forecast gives it; (.., face) or (.., node).
            Dimensions ``start``, ``trajectory``, ``member``, ``time`` and ``lead_time`` stay.
        path: ``.nc`` or ``.zarr``; ``.vtu`` for a single state; ``.pvd`` for several times, whose files go to a folder
            of the same name. What is there is replaced when the new one is complete.
        grid: ``0.25deg``, ``25km`` (in the plane of the mesh), ``25km@EPSG:3413``, or the path of a file on a grid.
        mesh: another mesh of the same domain to bring the fields to, area-weighted.
        degrees: nodes as longitude and latitude and vectors along east and north, for programs that know nothing else
            (uxarray).
        variables: the variable table; None for the default.
        on_record: called after every record, for a progress bar.

    Returns:
        The path.

    Raises:
        InputError: another suffix, options that exclude each other, a dataset without mesh or variables, gaps or
            implausible values, several states for a ``.vtu``, a grid or mesh that does not fit, or a folder that is no
            store in the place of one.
    """
    target, report = FilePath(path), on_record or (lambda: None)
    suffix = target.suffix.lower()
    for_paraview = suffix in (".vtu", ".pvd")

    if suffix not in OUTPUT_SUFFIXES:
        raise InputError(f"{target}: cannot be written; expected a name that ends in {', '.join(OUTPUT_SUFFIXES)}")
    if (grid is not None) + (mesh is not None) + degrees > 1:
        raise InputError("one of grid, mesh and degrees at a time")
    if for_paraview and (grid is not None or degrees):
        raise InputError(f"{target}: fields on a grid or in degrees go to .nc or .zarr, not to {suffix}")

    check_store(target)
    fields = Fields.of(dataset, variables)
    layout = choose_layout(fields, grid, mesh, degrees)
    target.parent.mkdir(parents=True, exist_ok=True)

    if for_paraview:
        write_states(fields, layout, target, report)
    else:
        write_atomically(target, lambda place: _fill(place, suffix, fields, layout, report))

    return target


def choose_layout(fields: Fields, grid: str | None, mesh: Mesh | None, degrees: bool = False) -> FieldLayout:
    """Where fields go, see :func:`write_dataset`."""
    if grid is not None:
        return on_grid(fields, grid)
    if mesh is not None:
        return on_other_mesh(fields, mesh)
    return on_mesh_in_degrees(fields) if degrees else on_own_mesh(fields)


def _fill(path: FilePath, suffix: str, fields: Fields, layout: FieldLayout, on_record: Callable[[], object]) -> None:
    columns = {one.name: _column(one, fields, layout) for one in fields.variables}
    before = (slice(None),) * (len(fields.leading) - 1)

    with created(path, suffix, layout.frame, columns) as store:
        for block in fields.blocks(layout.n_places):
            values = layout.bring(fields.read_all(block))
            for name, array in values.items():
                store[name][(*before, block) if fields.record else ...] = array.astype(np.float32, copy=False)
            for _ in range(block.start, block.stop):
                on_record()


def _column(variable: Variable, fields: Fields, layout: FieldLayout) -> Column:
    location = fields.location(variable)
    dims = (*fields.leading, *layout.dims[location])
    sizes = tuple({**fields.dataset.sizes, **layout.frame.sizes}[name] for name in dims)
    return Column(dims, sizes, chunks_of(sizes, dims, RECORDS), layout.attributes(variable, location))
