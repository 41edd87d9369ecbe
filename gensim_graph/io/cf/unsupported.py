"""Files of kinds that are not read, recognised so that the message says which program or line converts them."""

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.names import known_names

_TABLES = ("nv", "element", "elements", "elem", "tri", "triangles", "ikle", "IKLE", "vertex_of_cell", "connect1")
"""Names of tables of triangles in FVCOM, ADCIRC, SCHISM, TELEMAC, ICON and Exodus."""

_PAIRS = (("lon", "lat"), ("longitude", "latitude"), ("x", "y"))
_COEFFICIENTS = {"dg_comp", "dgcomp", "dg_comp_adv", "ndof", "n_dof", "dof", "dofs", "dg", "ndg", "dg_order"}
"""Dimensions of the coefficients of discontinuous Galerkin methods, in lower case."""


def refuse_unsupported(ds: xr.Dataset) -> None:
    """Refuse a dataset without a UGRID topology of dimension 2 if it is of a kind that another program converts.

    Args:
        ds: a dataset without a topology of dimension 2.

    Raises:
        InputError: a table of triangles without a topology (FVCOM), a grid file of SCRIP, HEALPix, a network of lines,
            or coefficients of a discontinuous Galerkin method.
    """
    for problem in (_network, _scrip, _healpix, _bare_table, _coefficients):
        text = problem(ds)
        if text:
            raise InputError(text)


def _network(ds: xr.Dataset) -> str:
    roles = {str(name): column.attrs for name, column in ds.variables.items() if "cf_role" in column.attrs}
    lines = [name for name, attrs in roles.items() if attrs["cf_role"] == "mesh_topology"]
    if not lines:
        return ""

    dimension = roles[lines[0]].get("topology_dimension", "unknown")
    return (
        f"'{lines[0]}' is a topology of dimension {dimension}, a network of lines or a mesh of volumes, and has no "
        "faces; expected a topology of dimension 2. From the model's grid program, export the 2-D mesh (D-Flow FM: "
        "'Mesh2d'), or make cells around the nodes: Mesh.from_points"
    )


def _scrip(ds: xr.Dataset) -> str:
    if not {"grid_center_lon", "grid_corner_lon", "grid_corner_lat"} <= set(map(str, ds.variables)):
        return ""
    return (
        "is a grid file of SCRIP. Put the grid into the file of the data, cdo -f nc4 -setgrid,GRID.nc DATA.nc OUT.nc, "
        "or rename its variables with xarray: xr.open_dataset('GRID.nc').rename(grid_center_lon='lon', "
        "grid_center_lat='lat', grid_corner_lon='lon_bnds', grid_corner_lat='lat_bnds').to_netcdf('OUT.nc')"
    )


def _healpix(ds: xr.Dataset) -> str:
    attributes = [ds.attrs, *(column.attrs for column in ds.variables.values())]
    is_healpix = any("healpix" in f"{key} {value}".lower() for one in attributes for key, value in one.items())
    if not is_healpix or _has_rows_and_columns(ds):
        return ""
    return (
        "is on a HEALPix grid, which is stored without positions. Interpolate it to longitude and latitude, cdo -f nc4 "
        "-remapcon,global_0.25 DATA.nc OUT.nc (CDO 2.2 or newer). For its cells as a mesh: uxarray.Grid.from_healpix("
        "zoom, pixels_only=False).to_xarray('ugrid').to_netcdf('MESH.nc')"
    )


def _has_rows_and_columns(ds: xr.Dataset) -> bool:
    """Return True for data that were interpolated from HEALPix: longitude and latitude on dimensions of their own."""
    return any({lon, lat} <= set(map(str, ds.dims)) for lon, lat in _PAIRS)


def _bare_table(ds: xr.Dataset) -> str:
    """Words on a table of triangles that no topology names; empty if there is none."""
    tables = [name for name in _TABLES if name in ds.variables and ds[name].ndim == 2 and ds[name].dtype.kind in "iu"]
    tables = [name for name in tables if min(ds[name].shape) in (3, 4)]
    pairs = [pair for pair in _PAIRS if all(name in ds.variables and ds[name].ndim == 1 for name in pair)]
    if not tables or not pairs:
        return ""

    lon, lat = next((pair for pair in pairs if _is_filled(ds, pair)), pairs[0])
    name = tables[0]
    start = int(ds[name].attrs.get("start_index", 0 if int(ds[name].min()) == 0 else 1))
    program = "FVCOM" if name == "nv" and "nele" in ds.dims else "a mesh of triangles without UGRID"
    layers = [str(dim) for dim in ds.dims if str(dim).startswith("sig")]
    without = f".drop_dims({layers})" if layers else ""

    return (
        f"is {program}: the table '{name}' belongs to no mesh topology. Add one with xarray: "
        f"ds = xr.open_dataset(FILE){without}; ds['{name}'].attrs['start_index'] = {start}; "
        "ds['mesh'] = ((), 0, {'cf_role': 'mesh_topology', 'topology_dimension': 2, "
        f"'node_coordinates': '{lon} {lat}', 'face_node_connectivity': '{name}'}}); ds.to_netcdf('OUT.nc')"
    )


def _is_filled(ds: xr.Dataset, pair: tuple[str, str]) -> bool:
    """Return False for coordinates that are the same everywhere: FVCOM writes zeros for those that it does not use."""
    return all(float(ds[name].max()) > float(ds[name].min()) for name in pair)


def _coefficients(ds: xr.Dataset) -> str:
    dims = {str(dim) for name in known_names(ds) for dim in ds[name].dims}
    found = sorted(dim for dim in dims if dim.lower() in _COEFFICIENTS and ds.sizes[dim] > 1)
    if not found:
        return ""
    return (
        f"its fields have {ds.sizes[found[0]]} coefficients for each cell along '{found[0]}' (discontinuous Galerkin "
        f"of higher order); expected one value. Write the means over the cells; if the first coefficient is the mean: "
        f"ds.isel({found[0]}=0).to_netcdf('OUT.nc')"
    )
