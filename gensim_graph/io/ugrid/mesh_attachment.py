"""A mesh and a dataset that belong together, although the dataset does not hold the mesh.

Users compute or read fields as plain arrays over the cells of their mesh. :func:`attach` finds the dimension that has
as many values as the mesh has faces (or nodes), whatever its name, and adds the topology.
"""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, check_type
from gensim_graph.io.coordinates import in_metres_or_degrees, is_angle, is_latitude, is_record_dim
from gensim_graph.io.names import known_names
from gensim_graph.io.ugrid.topologies import mesh_topologies
from gensim_graph.io.ugrid.ugrid_reader import keep_mesh, mesh_from_dataset
from gensim_graph.io.ugrid.ugrid_writer import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import lonlat, unit_vectors, unproject
from gensim_graph.typing import Array

LEADING = ("time", "lead_time", "start", "trajectory", "member", "realization")
"""Dimensions that never are those of the cells, whatever their length."""

MESH_ADVICE = "read it with gensim_graph.load_mesh, or build it with Mesh.from_faces"
"""End of messages about arguments that are no mesh."""

DATASET_ADVICE = "open a file with gensim_graph.open_store or xarray.open_dataset"
"""End of messages about arguments that are no dataset."""

_FARTHEST = 2.0  # from the centre of a face or from a node, in units of the spacing


def attach(mesh: Mesh, ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset with the topology of its mesh, on the dimensions ``face`` and ``node``.

    The values must be in the order of the faces (or nodes) of the mesh. If the dataset has their longitude and
    latitude, and the mesh a crs, this is checked.

    Args:
        mesh: the mesh.
        ds: fields along a dimension of any name that is ``mesh.n_faces`` (or ``mesh.n_nodes``) long; for a mesh with
            as many faces as nodes, the dimension must be called ``face`` or ``node``. A dataset that holds this mesh
            already is returned as it is.

    Raises:
        InputError: no dimension or several of this length, another mesh in the dataset, or coordinates elsewhere.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import xarray as xr
        >>> axis = np.arange(4) * 10e3
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> ds = xr.Dataset({"sic": (("time", "cell"), np.ones((2, 16)))})
        >>> gg.attach(mesh, ds)["sic"].dims
        ('time', 'face')
    """
    check_type("mesh", mesh, Mesh, MESH_ADVICE)
    check_type("data", ds, xr.Dataset, DATASET_ADVICE)

    if has_whole_topology(ds):
        own = mesh_from_dataset(ds, crs=mesh.crs)
        if not own.matches(mesh):
            raise InputError(
                f"the dataset has another mesh, {own}, than the one to attach, {mesh}; open_store(ds, mesh=mesh) remaps"
            )
        return ds

    names = _location_names(mesh, ds)
    for dim, location in names.items():
        _check_positions(mesh, ds, dim, location)

    topology = mesh_to_dataset(mesh)
    unused = [name for name in ds.variables if name in topology.variables or name in mesh_topologies(ds)]
    fields = ds.drop_vars(unused).rename_dims({dim: name for dim, name in names.items() if dim != name})
    attached = fields.assign(topology.data_vars)
    keep_mesh(attached, mesh)

    return attached


def is_without_mesh(mesh: Mesh | None, ds: xr.Dataset) -> bool:
    """Return True if a dataset has no mesh or grid of its own, so that its fields must lie on a given mesh.

    Args:
        mesh: the mesh that the user gives, or None.
        ds: the dataset. Coordinates of its cells do not matter if the number of cells is that of the mesh.
    """
    if has_whole_topology(ds):
        return False

    cells = [_cell_dims(ds, ds[name]) for name in known_names(ds)]
    if not cells or any(len(dims) != 1 for dims in cells):
        return False

    dims = {dim for (dim,) in cells}
    fits = mesh is not None and all(ds.sizes[dim] in (mesh.n_faces, mesh.n_nodes) for dim in dims)
    return fits or not any(_coordinates_along(ds, dim) for dim in dims)


def has_whole_topology(ds: xr.Dataset) -> bool:
    """Return True if a dataset has a mesh topology and all variables that it names; a selection may lack them."""
    for name in mesh_topologies(ds):
        attrs = ds[name].attrs
        needed = f"{attrs.get('node_coordinates', '')} {attrs.get('face_node_connectivity', '')}".split()
        if needed and all(one in ds.variables for one in needed):
            return True

    return False


def _location_names(mesh: Mesh, ds: xr.Dataset) -> dict[str, str]:
    """Dimension of the dataset -> ``face`` or ``node``."""
    sizes = {"face": mesh.n_faces, "node": mesh.n_nodes}
    dims = {dim: ds.sizes[dim] for column in ds.data_vars.values() for dim in _cell_dims(ds, column)}
    wrong = [dim for dim, size in dims.items() if dim in sizes and size != sizes[dim]]
    if wrong:
        dim = wrong[0]
        raise InputError(f"the dimension '{dim}' has {dims[dim]} values, the mesh has {sizes[dim]} {dim}s ({mesh})")

    named = {dim: dim for dim in dims if dim in sizes}
    if mesh.n_faces == mesh.n_nodes:
        return named or _refuse_ambiguous(mesh, dims)

    found = dict(named)
    for location, size in sizes.items():
        same = [dim for dim, count in dims.items() if count == size]
        if location not in found and len(same) > 1:
            raise InputError(
                f"the dimensions {_listed(same)} are both as long as the mesh has {location}s, {size}; rename the one "
                f"of the {location}s, ds.rename({{{same[0]!r}: {location!r}}})"
            )
        if location not in found and same:
            found[same[0]] = location

    if not found:
        lengths = ", ".join(f"'{dim}' ({size})" for dim, size in dims.items()) or "none"
        raise InputError(
            f"no dimension is as long as the mesh has faces ({mesh.n_faces}) or nodes ({mesh.n_nodes}); the fields "
            f"have {lengths}. Nodes that belong to no face are left out of a mesh, leave them out of the fields too"
        )

    return found


def _refuse_ambiguous(mesh: Mesh, dims: dict[str, int]) -> dict[str, str]:
    same = next((dim for dim, size in dims.items() if size == mesh.n_faces), "cell")
    raise InputError(
        f"the mesh has as many faces as nodes, {mesh.n_faces}, so its length does not tell where '{same}' lies; rename "
        f"it, ds.rename({{{same!r}: 'face'}}) or ds.rename({{{same!r}: 'node'}})"
    )


def _cell_dims(ds: xr.Dataset, column: xr.DataArray) -> list[str]:
    """Dimensions of a variable without those of times and members."""
    return [str(dim) for dim in column.dims if dim not in LEADING and not is_record_dim(str(dim), ds)]


def _coordinates_along(ds: xr.Dataset, dim: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Longitude and latitude of the cells, or None."""
    along = [ds[name] for name, column in ds.variables.items() if column.dims == (dim,)]
    latitude = next((one for one in along if is_latitude(one) or one.name in ("lat", "latitude")), None)
    longitude = next((one for one in along if _is_longitude(one)), None)
    return None if latitude is None or longitude is None else (longitude, latitude)


def _is_longitude(column: xr.DataArray) -> bool:
    says_east = column.attrs.get("standard_name") == "longitude" or "east" in str(column.attrs.get("units", ""))
    return (is_angle(column) and says_east) or column.name in ("lon", "longitude")


def _check_positions(mesh: Mesh, ds: xr.Dataset, dim: str, location: str) -> None:
    """Refuse cells whose longitude and latitude are not those of the faces or nodes of the same number."""
    here = _coordinates_along(ds, dim)
    if here is None or mesh.crs is None:
        return

    points = mesh.centres if location == "face" else mesh.nodes
    there = unit_vectors(*lonlat(unproject(points, mesh.crs)))
    came = unit_vectors(*(in_metres_or_degrees(column) for column in here))
    distance = _metres(came, there)
    spacing = float(np.sqrt(mesh.areas.max()))

    far = np.flatnonzero(~(distance <= _FARTHEST * spacing))
    if len(far):
        raise InputError(
            f"'{here[0].name}' and '{here[1].name}' lie up to {np.nanmax(distance) / 1e3:.0f} km from the {location}s "
            f"of the mesh, first at number {far[0]}; are the values in the order of the {location}s?"
        )


def _metres(one: Array, other: Array) -> Array:
    """Distance of directions (P, 3) along the globe."""
    return 6371e3 * 2 * np.arcsin(np.clip(np.linalg.norm(one - other, axis=-1) / 2, 0, 1))


def _listed(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
