"""Layouts of fields in a file: on their own mesh, with longitude and latitude, or on another mesh.

A layout holds what surrounds the fields in the file (topology, times, attributes), and converts values as they were
read to values as they are written. The layout for a grid is in :mod:`~gensim_graph.io.export.regrid`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from gensim_graph.io.checks import check_cover
from gensim_graph.io.fields import RECORDS, Fields
from gensim_graph.io.ugrid import in_degrees, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import conservative_weights, remap_faces, rotation
from gensim_graph.mesh.planes import Frame, east_north
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

FieldValues = dict[str, Array]
"""Variable -> values (.., face) or (.., node); (.., y, x) on a grid."""

EAST_NORTH_WORDS = ("to the east", "to the north")
_MESH_AXES_WORDS = ("along the mesh x axis", "along the mesh y axis")

_EAST_NORTH_NAMES = {
    "sea_ice_x_velocity": "eastward_sea_ice_velocity",
    "sea_ice_y_velocity": "northward_sea_ice_velocity",
    "x_wind": "eastward_wind",
    "y_wind": "northward_wind",
}
"""CF standard name of a component along an axis -> that of the same vector along east or north."""

_TIME_NAMES = {
    "time": "time",
    "valid_time": "time",
    "initial_time": "forecast_reference_time",
    "lead_time": "forecast_period",
    "member": "realization",
}
"""Coordinate -> CF standard name."""


@dataclass(frozen=True)
class FieldLayout:
    """Layout of the fields in a file.

    Attributes:
        template: everything in the file except the fields: topology or grid, times, global attributes.
        dims: ``face`` or ``node``, where a variable was read -> its dimensions in space in the file.
        convert: function from values as read to values as written.
        location_attrs: ``face`` or ``node``, where a variable was read -> attributes in addition to its own.
        axis_words: directions of the two components of a vector, in words.
        mesh: the mesh of the file; None on a grid.
    """

    template: xr.Dataset
    dims: Mapping[str, tuple[str, ...]]
    convert: Callable[[FieldValues], FieldValues]
    location_attrs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    axis_words: tuple[str, str] = _MESH_AXES_WORDS
    mesh: Mesh | None = None

    @property
    def n_points(self) -> int:
        """Largest number of values in space that a variable has in the file."""
        return max(int(np.prod([self.template.sizes[name] for name in dims])) for dims in self.dims.values())

    def attributes(self, variable: Variable, location: str) -> dict[str, Any]:
        """Return the CF attributes of a variable in the file.

        Args:
            variable: the variable.
            location: ``face`` or ``node``, where it was read.
        """
        attrs = dict(variable.attrs)
        if self.axis_words == EAST_NORTH_WORDS and variable.standard_name in _EAST_NORTH_NAMES:
            attrs["standard_name"] = _EAST_NORTH_NAMES[variable.standard_name]

        for mesh_words, words in zip(_MESH_AXES_WORDS, self.axis_words, strict=True):
            if mesh_words in attrs.get("long_name", ""):
                attrs["long_name"] = attrs["long_name"].replace(mesh_words, words)

        return attrs | self.location_attrs[location]


def on_own_mesh(fields: Fields) -> FieldLayout:
    """Return the layout of fields on their own mesh, unchanged."""
    dims = {"face": ("face",), "node": ("node",)}
    template = _mesh_template(fields, mesh_to_dataset(fields.mesh))

    return FieldLayout(template, dims, lambda values: values, _ugrid_attrs(fields, template), mesh=fields.mesh)


def on_mesh_in_degrees(fields: Fields) -> FieldLayout:
    """Return the layout with the nodes in longitude and latitude, and vectors along east and north.

    Raises:
        InputError: the mesh has no crs.
    """
    mesh = fields.mesh
    template = _mesh_template(fields, in_degrees(mesh))
    axes = {"face": east_north(mesh.centres, mesh.crs), "node": east_north(mesh.nodes, mesh.crs)}
    dims = {"face": ("face",), "node": ("node",)}
    attrs = _ugrid_attrs(fields, template)

    return FieldLayout(template, dims, lambda values: turn_vectors(values, fields, axes), attrs, EAST_NORTH_WORDS, mesh)


@dataclass(frozen=True, eq=False)
class _ByHash:
    """A mesh that equals another one with the same content."""

    mesh: Mesh

    def __hash__(self) -> int:
        return hash(self.mesh.hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByHash) and self.mesh.hash == other.mesh.hash


@lru_cache(maxsize=2)
def _weights_between(source: _ByHash, target: _ByHash) -> csr_array:
    """Weights of the remapping; files of the same grid that follow each other in time share them."""
    return conservative_weights(source.mesh, target.mesh, reproject=True)


def on_other_mesh(fields: Fields, mesh: Mesh) -> FieldLayout:
    """Return the layout on the faces of another mesh: fields are remapped by area, vectors turned to its plane.

    Args:
        fields: fields on a mesh of the same domain.
        mesh: the other mesh.

    Raises:
        InputError: the fields do not cover the mesh, or the plane of one mesh cannot show the other.
    """
    if fields.mesh.matches(mesh) and (mesh.crs is None or mesh.crs == fields.mesh.crs):
        return on_own_mesh(fields)

    weights = _weights_between(_ByHash(fields.mesh), _ByHash(mesh))
    check_cover(fields.name, fields.mesh, mesh, weights)
    template = _mesh_template(fields, mesh_to_dataset(mesh))

    # The axes of the mesh's plane, along those of the fields' plane: the inverse of an orthogonal frame.
    turn = rotation(fields.mesh, mesh)
    axes = Frame(*(np.stack([turn.first[:, part], turn.second[:, part]], axis=1) for part in (0, 1)))

    def convert(values: FieldValues) -> FieldValues:
        remapped = {name: remap_faces(array, weights) for name, array in fields.at_faces(values).items()}
        return turn_vectors(remapped, fields, {"face": axes, "node": axes})

    dims = {"face": ("face",), "node": ("face",)}
    attrs = _ugrid_attrs(fields, template)

    return FieldLayout(template, dims, convert, {"face": attrs["face"], "node": attrs["face"]}, mesh=mesh)


def turn_vectors(values: FieldValues, fields: Fields, axes: Mapping[str, Frame]) -> FieldValues:
    """Turn vectors from the axes of the plane of the fields to other axes.

    Args:
        values: values of all variables.
        fields: the fields that they were read from.
        axes: ``face`` or ``node``, where a vector was read -> the other axes at each face or node.

    Returns:
        Values of all variables; scalars are unchanged.
    """
    turned = dict(values)
    for first, second in fields.vectors:
        frame = axes[fields.location(first)]
        turned[first.name], turned[second.name] = frame.from_plane(values[first.name], values[second.name])

    return turned


def time_coordinates(fields: Fields) -> dict[str, xr.Variable]:
    """Return the coordinates that do not depend on space: times, members, starts, trajectories."""
    found = {}
    for name in sorted({*fields.leading, *RECORDS, *_TIME_NAMES} & set(map(str, fields.dataset.coords))):
        column = fields.dataset[name].variable
        if {*map(str, column.dims)} <= {*fields.leading}:
            own = {key: value for key, value in column.attrs.items() if key not in ("units", "calendar")}
            standard = {"standard_name": _TIME_NAMES[name]} if name in _TIME_NAMES else {}
            found[name] = xr.Variable(column.dims, column.values, standard | own)

    return found


def coordinates_attribute(fields: Fields, *more: str) -> dict[str, str]:
    """Return the CF attribute ``coordinates``: names of the coordinates that are no dimension.

    Args:
        fields: fields with times.
        *more: names of further coordinates.

    Returns:
        The attribute, or an empty dictionary if there are no such coordinates.
    """
    names = [*(name for name, column in time_coordinates(fields).items() if column.dims != (name,)), *more]
    return {"coordinates": " ".join(names)} if names else {}


def global_attributes(fields: Fields) -> dict[str, Any]:
    """Return the global attributes of the dataset that are copied to the file."""
    return {str(key): value for key, value in fields.dataset.attrs.items() if key != "Conventions"}


def _mesh_template(fields: Fields, topology: xr.Dataset) -> xr.Dataset:
    return topology.assign_coords(time_coordinates(fields)).assign_attrs(global_attributes(fields))


def _ugrid_attrs(fields: Fields, template: xr.Dataset) -> dict[str, dict[str, Any]]:
    more = coordinates_attribute(fields) | ({"grid_mapping": "crs"} if "crs" in template else {})
    return {location: {"mesh": "mesh", "location": location} | more for location in ("face", "node")}
