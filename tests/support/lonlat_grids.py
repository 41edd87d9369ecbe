"""Forcing on grids of longitude and latitude in the form of ERA5, and meshes of the Arctic to drive with it."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from support.meshes import jittered_box

ARCTIC = CRS("EPSG:3413")
TO_PLANE = Transformer.from_crs(ARCTIC.geodetic_crs, ARCTIC, always_xy=True)

Field = Callable[[Array, Array, Array], Array]
"""Function of hours since the start, latitude and longitude in degrees, which broadcast to (time, lat, lon)."""


def arctic_mesh(cells: int = 6, side: float = 300e3, centre: tuple[float, float] = (-20.0, 80.0)) -> Mesh:
    """An irregular triangulation of a square around a longitude and latitude, in a polar stereographic plane."""
    box = jittered_box(cells, side=side)
    shift = np.array(TO_PLANE.transform(*centre)) - box.nodes.mean(axis=0)
    return Mesh.from_faces(box.nodes + shift, box.faces, crs=ARCTIC)


def degrees_of(mesh: Mesh) -> tuple[Array, Array]:
    """Longitude and latitude of the faces."""
    return TO_PLANE.transform(*mesh.centres.T, direction="INVERSE")


def east_north_of(mesh: Mesh) -> tuple[Array, Array]:
    """Unit vectors (2, F) to the east and to the north in the plane, from steps of pyproj."""
    lon, lat = degrees_of(mesh)
    steps = [(1e-4 / np.cos(np.radians(lat)), 0.0), (0.0, 1e-4)]
    ends = [np.array(TO_PLANE.transform(lon + step[0], lat + step[1])) - mesh.centres.T for step in steps]
    return tuple(end / np.hypot(*end) for end in ends)


def forcing_on_grid(lon: Array, lat: Array, hours: Array, start: str = "2000-01-01", **fields: Field) -> xr.Dataset:
    """A dataset like those of the Climate Data Store: ``valid_time``, and the units and names of ERA5."""
    attributes = {
        "u10": {"units": "m s**-1", "standard_name": "eastward_wind", "long_name": "10 metre U wind component"},
        "v10": {"units": "m s**-1", "standard_name": "northward_wind", "long_name": "10 metre V wind component"},
        "t2m": {"units": "K", "long_name": "2 metre temperature"},
    }
    times = np.datetime64(start, "ns") + (np.asarray(hours) * 3600).astype("timedelta64[s]")
    at = np.asarray(hours, dtype=float)[:, None, None], lat[:, None], lon[None, :]
    shape = (len(times), len(lat), len(lon))
    columns = {
        name: (("valid_time", "latitude", "longitude"), np.broadcast_to(field(*at), shape), attributes[name])
        for name, field in fields.items()
    }
    return xr.Dataset(
        columns,
        coords={
            "valid_time": ("valid_time", times, {"standard_name": "time"}),
            "latitude": ("latitude", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "longitude": ("longitude", lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )
