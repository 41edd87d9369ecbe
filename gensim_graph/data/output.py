"""Trajectories and forecasts to files that other tools open.

``.nc`` and ``.zarr`` on the mesh (CF, UGRID-1.0), or on a grid of longitude and latitude or in a plane (CF); ``.vtu``
for ParaView, ``.pvd`` for several times. Whatever is written is whole or not there, and is written record by record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.data.fields import RECORDS, Fields
from gensim_graph.data.storage import Column, chunks_of, created
from gensim_graph.errors import InputError
from gensim_graph.mesh.frame import Frame
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.target import TargetGrid, make_grid
from gensim_graph.mesh.ugrid import mesh_to_dataset
from gensim_graph.mesh.vtu import VtuField, write_pvd, write_vtu
from gensim_graph.typing import Array, Path
from gensim_graph.variables import Variable, VariableTable
from gensim_graph.writing import write_atomically

Step = Callable[[], object]

_EASTWARD = {
    "sea_ice_x_velocity": "eastward_sea_ice_velocity",
    "sea_ice_y_velocity": "northward_sea_ice_velocity",
    "x_wind": "eastward_wind",
    "y_wind": "northward_wind",
}
SUFFIXES = (".nc", ".zarr", ".vtu", ".pvd")
"""What :func:`write_dataset` writes."""


def write_dataset(
    dataset: xr.Dataset,
    path: Path,
    *,
    grid: str | TargetGrid | None = None,
    variables: VariableTable | None = None,
    on_record: Step | None = None,
) -> FilePath:
    """Write the variables of a trajectory or forecast; the suffix of ``path`` says as what.

    On a grid every cell gets the mean over what the mesh covers of it, and NaN where that is nothing; vectors point
    east and north where the grid is one of longitudes and latitudes, else along its axes. ``sea_area`` is what the mesh
    covers of each cell: the sum of value times ``sea_area`` over the grid is the integral over the mesh.

    Args:
        dataset: on a mesh, as :func:`~gensim_graph.data.open_store` or a forecast gives it; (.., face) or (.., node).
            Dimensions ``start``, ``trajectory``, ``member``, ``time`` and ``lead_time`` stay.
        path: ``.nc`` or ``.zarr``; ``.vtu`` for a single state; ``.pvd`` for a collection of times, whose files go to a
            folder of the same name. What is there is replaced when the new one is complete.
        grid: ``0.25deg``, ``25km`` (in the plane of the mesh), ``25km@EPSG:3413``, or a file on a grid.
        variables: the variable table; None for the default.
        on_record: called after every record, for a progress bar.

    Returns:
        The path.

    Raises:
        InputError: another suffix, a dataset without mesh or variables, gaps or implausible values, several states for
            a ``.vtu``, or a grid that does not fit.
    """
    target = FilePath(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{target}: cannot be written; expected a name that ends in {', '.join(SUFFIXES)}")
    fields = Fields.of(dataset, variables)
    target.parent.mkdir(parents=True, exist_ok=True)
    if suffix in (".vtu", ".pvd"):
        if grid is not None:
            raise InputError(f"{target}: fields on a grid go to .nc or .zarr, not to {suffix}")
        _write_vtk(fields, target, on_record or _nothing)
        return target
    layout = _on_mesh(fields) if grid is None else _on_grid(fields, grid)
    write_atomically(target, lambda place: _fill(place, suffix, fields, layout, on_record or _nothing))
    return target


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class _Layout:
    """Where fields go.

    Attributes:
        frame: everything but the fields.
        dims: dimensions of places, for fields on faces and on nodes.
        attrs: of every field, besides its own.
        bring: values of a group of variables, as read, to values as written.
        is_geographic: whether vectors point east and north.
    """

    frame: xr.Dataset
    dims: dict[str, tuple[str, ...]]
    attrs: dict[str, dict[str, Any]]
    bring: Callable[[dict[str, Array], Fields], dict[str, Array]]
    is_geographic: bool = False


def _fill(path: FilePath, suffix: str, fields: Fields, layout: _Layout, on_record: Step) -> None:
    columns = {one.name: _column(one, fields, layout) for one in fields.variables}
    with created(path, suffix, layout.frame, columns) as store:
        for block in fields.blocks():
            values = layout.bring({one.name: fields.read(one, block) for one in fields.variables}, fields)
            where = (
                (*(slice(None) for name in fields.leading if name != fields.record), block) if fields.record else ...
            )
            for name, array in values.items():
                store[name][where] = array.astype(np.float32, copy=False)
            for _ in range(block.start, block.stop):
                on_record()


def _column(variable: Variable, fields: Fields, layout: _Layout) -> Column:
    location = fields.location(variable)
    dims = (*fields.leading, *layout.dims[location])
    sizes = tuple({**fields.dataset.sizes, **layout.frame.sizes}[name] for name in dims)
    attrs = variable.attrs | layout.attrs[location]
    if layout.is_geographic and variable.vector is not None:
        attrs |= _geographic(variable)
    return Column(dims, sizes, chunks_of(sizes, dims, RECORDS), attrs)


def _geographic(variable: Variable) -> dict[str, str]:
    named = _EASTWARD.get(variable.standard_name)
    text = variable.long_name.replace("along the mesh x axis", "to the east").replace(
        "along the mesh y axis", "to the north"
    )
    return {"long_name": text} | ({"standard_name": named} if named else {})


def _times(fields: Fields) -> dict[str, xr.Variable]:
    """Coordinates of what comes before the place, as the dataset has them."""
    names = {*fields.leading, *RECORDS, *_TIMES}
    kept = {}
    for name in names & set(map(str, fields.dataset.coords)):
        column = fields.dataset[name].variable
        if set(map(str, column.dims)) <= {*fields.leading}:
            attrs = {key: value for key, value in column.attrs.items() if key not in ("units", "calendar")}
            standard = _TIMES.get(name, "")
            kept[name] = xr.Variable(
                column.dims, column.values, ({"standard_name": standard} if standard else {}) | attrs
            )
    return kept


_TIMES = {
    "time": "time",
    "valid_time": "time",
    "initial_time": "forecast_reference_time",
    "lead_time": "forecast_period",
    "member": "realization",
}


def _auxiliary(coordinates: dict[str, xr.Variable], more: tuple[str, ...] = ()) -> dict[str, str]:
    """Attribute ``coordinates``: what is not a dimension of its own."""
    names = [name for name, column in coordinates.items() if column.dims != (name,)]
    return {"coordinates": " ".join((*sorted(names), *more))} if names or more else {}


def _on_mesh(fields: Fields) -> _Layout:
    times = _times(fields)
    frame = mesh_to_dataset(fields.mesh).assign_coords(times).assign_attrs(_provenance(fields.dataset))
    mapping = {"grid_mapping": "crs"} if fields.mesh.crs is not None else {}
    attrs = {where: {"mesh": "mesh", "location": where} | mapping | _auxiliary(times) for where in ("face", "node")}
    return _Layout(frame, {"face": ("face",), "node": ("node",)}, attrs, lambda values, _: values)


def _provenance(dataset: xr.Dataset) -> dict[str, Any]:
    kept = {key: value for key, value in dataset.attrs.items() if key not in ("Conventions", "source")}
    return (
        {"source": "gensim-graph"} | ({"source": dataset.attrs["source"]} if "source" in dataset.attrs else {}) | kept
    )


def _on_grid(fields: Fields, grid: str | TargetGrid) -> _Layout:
    target = make_grid(grid, fields.mesh) if isinstance(grid, str) else grid
    shared = target.shared_areas(fields.mesh)
    if shared.nnz == 0:
        raise InputError("the grid covers nothing of the mesh")
    regrid = _Regridding(fields.mesh, target, shared)
    times = _times(fields)
    frame = target.frame.assign_coords(times).assign_attrs(_provenance(fields.dataset) | {"Conventions": "CF-1.8"})
    frame["sea_area"] = (target.dims, regrid.on_grid(regrid.area[None])[0],
                         {"long_name": "area of the cell that the mesh covers", "standard_name": "cell_area",
                          "units": "m2"})  # fmt: skip
    auxiliary = tuple(
        str(name) for name, column in target.frame.coords.items() if column.ndim == 2 and name not in times
    )
    mapping = next((str(name) for name, one in frame.variables.items() if "grid_mapping_name" in one.attrs), None)
    attrs = {"cell_methods": "area: mean where sea", "cell_measures": "area: sea_area"} | _auxiliary(times, auxiliary)
    attrs |= {"grid_mapping": mapping} if mapping else {}
    dims: dict[str, tuple[str, ...]] = {"face": target.dims, "node": target.dims}
    return _Layout(frame, dims, {"face": attrs, "node": attrs}, regrid, target.is_geographic)


class _Regridding:
    """Mean over what is covered of each cell, vectors along the axes of the grid.

    Args:
        mesh: where the fields are.
        target: the grid.
        shared: (cells, F) areas that its cells share with the faces.
    """

    def __init__(self, mesh: Mesh, target: TargetGrid, shared: csr_array) -> None:
        self.area = np.asarray(shared.sum(axis=1)).ravel()
        self._mesh, self._target, self._shared = mesh, target, shared
        self._axes: Frame = target.axes

    def __call__(self, values: dict[str, Array], fields: Fields) -> dict[str, Array]:
        """(.., face) or (.., node) -> (.., y, x)."""
        means = {one.name: self._mean(values[one.name], fields.location(one)) for one in fields.variables}
        for one in fields.variables:
            if _is_first(one, fields):
                assert one.vector is not None
                means[one.name], means[one.vector] = self._axes.from_plane(means[one.name], means[one.vector])
        return {name: self.on_grid(mean) for name, mean in means.items()}

    def _mean(self, values: Array, location: str) -> Array:
        at_faces = self._mesh.to_faces(values) if location == "node" else values
        flat = at_faces.reshape(-1, self._mesh.n_faces).T.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (self._shared @ flat).T / np.where(self.area > 0, self.area, np.nan)
        return mean.reshape(*values.shape[:-1], len(self.area))

    def on_grid(self, values: Array) -> Array:
        """(.., cells) -> (.., y, x), NaN outside; areas 0 outside."""
        whole = np.full((*values.shape[:-1], int(np.prod(self._target.shape))), np.nan)
        whole[..., self._target.cells.faces.index] = values
        return whole.reshape(*values.shape[:-1], *self._target.shape)


def _is_first(variable: Variable, fields: Fields) -> bool:
    """Whether a variable is the first component of a vector."""
    names = [one.name for one in fields.variables]
    return variable.vector is not None and names.index(variable.name) < names.index(variable.vector)


def _write_vtk(fields: Fields, target: FilePath, on_record: Step) -> None:
    several = {name: fields.dataset.sizes[name] for name in fields.leading if name != fields.record}
    several = {name: size for name, size in several.items() if size > 1}
    if target.suffix.lower() == ".vtu" and fields.n_records > 1:
        several[str(fields.record)] = fields.n_records
    if several:
        said = ", ".join(f"{size} along '{name}'" for name, size in several.items())
        first = next(iter(several))
        raise InputError(
            f"{target}: VTK's files hold one state a time, these are {said}; choose one, --select {first}=0"
            + (", or write a .pvd" if first in RECORDS else "")
        )
    if target.suffix.lower() == ".vtu":
        write_atomically(target, lambda place: _write_state(place, fields, 0))
        on_record()
        return
    folder = target.with_suffix("")
    names = {_days(fields, number): f"{folder.name}/{number:05d}.vtu" for number in range(fields.n_records)}

    def write_all(place: FilePath) -> None:
        place.mkdir()
        for number in range(fields.n_records):
            _write_state(place / f"{number:05d}.vtu", fields, number)
            on_record()

    if folder.exists() and not _is_collection(folder):
        raise InputError(f"{folder}: exists and is no folder of a collection; choose another name")
    write_atomically(folder, write_all)
    write_atomically(target, lambda place: write_pvd(place, names))


def _is_collection(folder: FilePath) -> bool:
    return folder.is_dir() and all(file.suffix == ".vtu" for file in folder.iterdir())


def _write_state(path: FilePath, fields: Fields, number: int) -> None:
    """One record; the two components of a vector also as a vector, named after both."""
    places: dict[str, dict[str, VtuField]] = {"face": {}, "node": {}}
    values = {one.name: fields.read(one, slice(number, number + 1)).ravel() for one in fields.variables}
    for one in fields.variables:
        found = places[fields.location(one)]
        found[one.name] = VtuField(values[one.name], _plain(one.units))
        if _is_first(one, fields):
            assert one.vector is not None
            pair = values[one.name], values[one.vector]
            vector = np.stack([*pair, np.zeros_like(pair[0])], axis=1)
            found[f"{one.name}_{one.vector}"] = VtuField(vector, _plain(one.units))
    write_vtu(path, fields.mesh, places["face"], places["node"], _days(fields, number))


def _plain(units: str) -> str:
    return "" if units == "1" else units


def _days(fields: Fields, number: int) -> float:
    """Days since 1970-01-01 of a record."""
    name = next((name for name in ("valid_time", "time") if name in fields.dataset.coords), None)
    if name is None:
        return float(number)
    column = fields.dataset[name]
    column = column.isel({str(dim): number if dim == fields.record else 0 for dim in column.dims})
    return float((column.values.astype("datetime64[ns]") - np.datetime64(0, "ns")) / np.timedelta64(1, "D"))
