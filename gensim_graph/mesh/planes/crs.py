"""Coordinate reference systems (crs) of planes: reading, naming, and their ellipsoid."""

from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError


def as_crs(crs: CRS | str | int | None) -> CRS | None:
    """Return the crs of an EPSG code, a PROJ string or WKT; None stays None.

    Raises:
        InputError: pyproj does not understand it.
    """
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(f"unknown crs '{crs}': {error}; give an EPSG code, a PROJ string or WKT") from None


def plane_name(crs: CRS) -> str:
    """Name of a plane for messages: its own name, else the text that defines it, else its type."""
    if crs.name not in ("unknown", "undefined"):
        return crs.name
    if not crs.to_string().startswith("{"):  # the text that the user gave
        return crs.to_string()[:80]
    return crs.coordinate_operation.method_name if crs.coordinate_operation else crs.type_name


def semi_axes(crs: CRS) -> tuple[float, float]:
    """Major and minor semi-axis of the ellipsoid of a plane, m; those of WGS 84 if the plane has no ellipsoid."""
    ellipsoid = crs.ellipsoid
    return (ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre) if ellipsoid else (6378137.0, 6356752.314245)
