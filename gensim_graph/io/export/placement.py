"""How fields are laid out in a file: on their own mesh, on another one, with longitude and latitude.

A layout says what surrounds the fields (topology, times, attributes) and how values as read become values as written.
The one for grids is in :mod:`~gensim_graph.io.export.regrid`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from gensim_graph.io.checks import check_cover
from gensim_graph.io.fields import RECORDS, Fields
from gensim_graph.io.ugrid import in_degrees, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import conservative_weights, remap_faces, rotation
from gensim_graph.mesh.planes import Frame, east_north
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

Values = dict[str, Array]
"""Variable -> (.., place)."""

COMPASS = ("to the east", "to the north")
_ALONG = ("along the mesh x axis", "along the mesh y axis")
_TURNED = {"sea_ice_x_velocity": "eastward_sea_ice_velocity", "sea_ice_y_velocity": "northward_sea_ice_velocity",
           "x_wind": "eastward_wind", "y_wind": "northward_wind"}  # fmt: skip
_TIMES = {
    "time": "time",
    "valid_time": "time",
    "initial_time": "forecast_reference_time",
    "lead_time": "forecast_period",
    "member": "realization",
}
"""Coordinate -> CF standard name."""


@dataclass(frozen=True)
class FieldLayout:
    """Where fields go.

    Attributes:
        frame: everything but the fields.
        dims: ``face`` or ``node``, where a variable was read -> dimensions of its places in the file.
        bring: values as read to values as written.
        attrs: of a variable read at ``face`` or ``node``, besides its own.
        axes: what vectors point along, in words.
        mesh: the mesh of the places; None on a grid.
    """

    frame: xr.Dataset
    dims: Mapping[str, tuple[str, ...]]
    bring: Callable[[Values], Values]
    attrs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    axes: tuple[str, str] = _ALONG
    mesh: Mesh | None = None

    @property
    def n_places(self) -> int:
        """Numbers a variable, record and member has, at most."""
        return max(int(np.prod([self.frame.sizes[name] for name in dims])) for dims in self.dims.values())

    def attributes(self, variable: Variable, location: str) -> dict[str, Any]:
        """CF attributes of a variable in the file."""
        named = dict(variable.attrs)
        if self.axes == COMPASS and variable.standard_name in _TURNED:
            named["standard_name"] = _TURNED[variable.standard_name]

        for old, new in zip(_ALONG, self.axes, strict=True):
            if old in named.get("long_name", ""):
                named["long_name"] = named["long_name"].replace(old, new)

        return named | self.attrs[location]


def on_own_mesh(fields: Fields) -> FieldLayout:
    """The fields as they are."""
    dims = {"face": ("face",), "node": ("node",)}
    frame = _frame(fields, mesh_to_dataset(fields.mesh))
    return FieldLayout(frame, dims, lambda values: values, _ugrid_attrs(fields, frame), mesh=fields.mesh)


def on_mesh_in_degrees(fields: Fields) -> FieldLayout:
    """Nodes as longitude and latitude, vectors along east and north.

    Raises:
        InputError: the mesh has no crs.
    """
    mesh = fields.mesh
    frame = _frame(fields, in_degrees(mesh))
    compass = {"face": east_north(mesh.centres, mesh.crs), "node": east_north(mesh.nodes, mesh.crs)}
    dims = {"face": ("face",), "node": ("node",)}

    return FieldLayout(
        frame, dims, lambda values: turned(values, fields, compass), _ugrid_attrs(fields, frame), COMPASS, mesh
    )


def on_other_mesh(fields: Fields, mesh: Mesh) -> FieldLayout:
    """Fields brought to the faces of another mesh of the same domain, area-weighted, vectors turned to its plane.

    Raises:
        InputError: the fields do not cover the mesh, or the plane of one does not show the other.
    """
    if fields.mesh.matches(mesh) and (mesh.crs is None or mesh.crs == fields.mesh.crs):
        return on_own_mesh(fields)

    weights = conservative_weights(fields.mesh, mesh, reproject=True)
    check_cover(fields.name, fields.mesh, mesh, weights)
    there = rotation(fields.mesh, mesh)
    # The axes of the plane of the mesh, along those of the plane of the fields: the inverse of an orthogonal frame.
    axes = Frame(*(np.stack([there.first[:, part], there.second[:, part]], axis=1) for part in (0, 1)))
    frame = _frame(fields, mesh_to_dataset(mesh))

    def bring(values: Values) -> Values:
        moved = {name: remap_faces(array, weights) for name, array in fields.at_faces(values).items()}
        return turned(moved, fields, {"face": axes, "node": axes})

    dims = {"face": ("face",), "node": ("face",)}
    attrs = _ugrid_attrs(fields, frame)

    return FieldLayout(frame, dims, bring, {"face": attrs["face"], "node": attrs["face"]}, mesh=mesh)


def turned(values: Values, fields: Fields, axes: Mapping[str, Frame]) -> Values:
    """Vectors from the axes of the plane of the fields to others.

    Args:
        values: of all variables.
        fields: where they were read.
        axes: ``face`` or ``node``, where a vector was read -> axes at its places.
    """
    result = dict(values)
    for first, second in fields.vectors:
        frame = axes[fields.location(first)]
        result[first.name], result[second.name] = frame.from_plane(values[first.name], values[second.name])
    return result


def _frame(fields: Fields, surroundings: xr.Dataset) -> xr.Dataset:
    return surroundings.assign_coords(times_of(fields)).assign_attrs(provenance(fields))


def _ugrid_attrs(fields: Fields, frame: xr.Dataset) -> dict[str, dict[str, Any]]:
    more = auxiliary(fields) | ({"grid_mapping": "crs"} if "crs" in frame else {})
    return {where: {"mesh": "mesh", "location": where} | more for where in ("face", "node")}


def times_of(fields: Fields) -> dict[str, xr.Variable]:
    """Times, members and what else comes before the place."""
    kept = {}
    for name in sorted({*fields.leading, *RECORDS, *_TIMES} & set(map(str, fields.dataset.coords))):
        column = fields.dataset[name].variable
        if {*map(str, column.dims)} <= {*fields.leading}:
            own = {key: value for key, value in column.attrs.items() if key not in ("units", "calendar")}
            named = {"standard_name": _TIMES[name]} if name in _TIMES else {}
            kept[name] = xr.Variable(column.dims, column.values, named | own)

    return kept


def auxiliary(fields: Fields, *more: str) -> dict[str, str]:
    """The attribute ``coordinates``: coordinates that are no dimension of their own."""
    names = [*(name for name, column in times_of(fields).items() if column.dims != (name,)), *more]
    return {"coordinates": " ".join(names)} if names else {}


def provenance(fields: Fields) -> dict[str, Any]:
    """Global attributes that stay."""
    return {str(key): value for key, value in fields.dataset.attrs.items() if key != "Conventions"}
