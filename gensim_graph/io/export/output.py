"""Write trajectories and forecasts to files that other tools open.

The files are ``.nc`` and ``.zarr`` on the mesh (CF, UGRID-1.0) or on a grid (CF), ``.vtu`` and ``.pvd`` for ParaView. A
file appears only when it is complete. Records are written a few at a time, so that memory does not grow with their
number.
"""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.export.paraview import write_states
from gensim_graph.io.export.placement import FieldLayout, on_mesh_in_degrees, on_other_mesh, on_own_mesh
from gensim_graph.io.export.regrid import on_grid
from gensim_graph.io.export.storage import FileVariable, check_replaceable, chunk_sizes, created_file
from gensim_graph.io.fields import RECORDS, Fields
from gensim_graph.mesh import Mesh
from gensim_graph.system import check_space, write_atomically
from gensim_graph.typing import Path
from gensim_graph.variables import Variable, VariableTable

_PARAVIEW_SUFFIXES = (".vtu", ".pvd")
_SUFFIXES = (".nc", ".zarr", *_PARAVIEW_SUFFIXES)


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
    """Write the variables of a trajectory or forecast; the suffix of ``path`` selects the format.

    On a grid, every cell gets the mean over the part of it that the mesh covers, and NaN if the mesh covers nothing.
    Vectors point east and north on a grid of longitudes and latitudes, and along its axes on any other. The variable
    ``sea_area`` is the area that the mesh covers in each cell: the sum of value times ``sea_area`` over the grid is the
    integral over the mesh.

    Args:
        dataset: a dataset on a mesh, as :func:`~gensim_graph.io.open_store` or a forecast gives it; (.., face) or
            (.., node). Dimensions ``start``, ``trajectory``, ``member``, ``time`` and ``lead_time`` are kept.
        path: ``.nc`` or ``.zarr``; ``.vtu`` for a single state; ``.pvd`` for several times, with their files in a
            folder of the same name. An existing file is replaced when the new one is complete.
        grid: ``0.25deg``, ``25km`` (in the plane of the mesh), ``25km@EPSG:3413``, or the path of a file on a grid.
        mesh: another mesh of the same domain; the fields are remapped to it by area.
        degrees: write nodes as longitude and latitude and vectors along east and north, for programs that cannot read
            anything else (uxarray).
        variables: the variable table; None for the default.
        on_record: function that is called after every record, for instance by a progress bar.

    Returns:
        The path.

    Raises:
        InputError: another suffix, options that exclude each other, a dataset without mesh or variables, missing or
            implausible values, several states for a ``.vtu``, a grid or mesh that does not fit, or an existing folder
            that is no store.

    Examples:
        One time of a trajectory that ships with the package, on a grid of 64 km:

        >>> import tempfile
        >>> import xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.io import write_dataset
        >>> store = gg.open_store(cyclone_trajectories("test")[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_dataset(store.isel(time=[0]), f"{folder}/first.nc", grid="64km")
        ...     gridded = xr.load_dataset(path)
        >>> dict(gridded.sizes)
        {'y': 9, 'x': 10, 'time': 1}
        >>> volume = float((gridded.sit * gridded.sea_area).sum())
        >>> f"{volume:.3e} m3"
        '2.038e+11 m3'
    """
    target = FilePath(path)
    suffix = target.suffix.lower()
    _check_options(target, grid, mesh, degrees)
    check_replaceable(target)

    report = on_record or (lambda: None)
    fields = Fields.of(dataset, variables)
    layout = choose_layout(fields, grid, mesh, degrees)
    check_space(target, _bytes_of(fields, layout), beside=True)
    target.parent.mkdir(parents=True, exist_ok=True)

    if suffix in _PARAVIEW_SUFFIXES:
        write_states(fields, layout, target, report)
    else:
        write_atomically(target, lambda temporary: _write_store(temporary, suffix, fields, layout, report))

    return target


def choose_layout(fields: Fields, grid: str | None, mesh: Mesh | None, degrees: bool = False) -> FieldLayout:
    """Return the layout of fields in a file.

    Args:
        fields: the fields.
        grid: a grid in words, see :func:`write_dataset`.
        mesh: another mesh, used without a grid.
        degrees: True for longitude and latitude, used with neither grid nor mesh.

    Raises:
        InputError: a grid or mesh that does not fit the fields.
    """
    if grid is not None:
        return on_grid(fields, grid)
    if mesh is not None:
        return on_other_mesh(fields, mesh)

    return on_mesh_in_degrees(fields) if degrees else on_own_mesh(fields)


def _bytes_of(fields: Fields, layout: FieldLayout) -> float:
    """Return the least number of bytes that the file takes: half of its float32 values, compressed."""
    sizes = [_file_variable(one, fields, layout).sizes for one in fields.variables]
    return 0.5 * 4 * sum(float(np.prod(size)) for size in sizes)


def _check_options(target: FilePath, grid: str | None, mesh: Mesh | None, degrees: bool) -> None:
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{target}: cannot be written; expected a name that ends in {', '.join(_SUFFIXES)}")
    if (grid is not None) + (mesh is not None) + degrees > 1:
        raise InputError("one of grid, mesh and degrees at a time")
    if suffix in _PARAVIEW_SUFFIXES and (grid is not None or degrees):
        raise InputError(f"{target}: fields on a grid or in degrees go to .nc or .zarr, not to {suffix}")


def _write_store(
    path: FilePath, suffix: str, fields: Fields, layout: FieldLayout, on_record: Callable[[], object]
) -> None:
    variables = {one.name: _file_variable(one, fields, layout) for one in fields.variables}
    all_before_record = (slice(None),) * (len(fields.leading) - 1)

    with created_file(path, suffix, layout.template, variables) as file:
        for block in fields.blocks(layout.n_points):
            values = layout.convert(fields.read_all(block))
            where = (*all_before_record, block) if fields.record else ...

            for name, array in values.items():
                file[name][where] = array.astype(np.float32, copy=False)
            for _ in range(block.start, block.stop):
                on_record()


def _file_variable(variable: Variable, fields: Fields, layout: FieldLayout) -> FileVariable:
    location = fields.location(variable)
    dims = (*fields.leading, *layout.dims[location])
    all_sizes = {**fields.dataset.sizes, **layout.template.sizes}
    sizes = tuple(all_sizes[name] for name in dims)

    return FileVariable(dims, sizes, chunk_sizes(sizes, dims, RECORDS), layout.attributes(variable, location))
