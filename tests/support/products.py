"""Tiny files in the form in which OSI SAF, NSIDC and CryoSat-2/SMOS write their products, and a forecast."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh

START = np.datetime64("2020-03-01T00", "ns")
EPOCH = "seconds since 1978-01-01 00:00:00"
OSI_SAF = CRS.from_proj4("+proj=stere +a=6378273 +b=6356889.44891 +lat_0=90 +lat_ts=70 +lon_0=-45 +type=crs")
EASE2 = CRS.from_epsg(6931)
MESH_PLANE = CRS.from_proj4("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=30 +datum=WGS84 +units=m +type=crs")

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def arctic_mesh(cells: int = 40, size: float = 10e3) -> Mesh:
    """Square grid of some hundred km beside the pole, in a plane that no product has."""
    axis = (np.arange(cells) + 0.5) * size
    return Mesh.from_grid(axis + 100e3, axis - 300e3, crs=MESH_PLANE)


def forecast_on(mesh: Mesh, steps: int = 4, members: int = 3, **fields: np.ndarray) -> xr.Dataset:
    """Forecast every 12 h with its initial state; fields (lead, member, face), or whatever broadcasts to it."""
    leads = (np.arange(steps + 1) * np.timedelta64(12, "h")).astype("timedelta64[ns]")
    shape = (steps + 1, members, mesh.n_faces)
    columns = {
        name: (("lead_time", "member", "face"), np.broadcast_to(values, shape).astype(np.float32))
        for name, values in fields.items()
    }
    times = {"lead_time": leads, "valid_time": ("lead_time", START + leads)}
    return mesh_to_dataset(mesh).assign_coords(times).assign(columns)


def seconds(time: np.datetime64) -> float:
    return float((time - np.datetime64("1978-01-01", "ns")) / np.timedelta64(1, "s"))


def hours(number: float) -> np.datetime64:
    return START + np.timedelta64(int(number * 3600), "s")


def _new_file(path: Path, crs: CRS, x: np.ndarray, y: np.ndarray, mapping: str, bounds: list) -> netCDF4.Dataset:
    """File with axes in km, longitude and latitude, grid mapping, time and its bounds."""
    file = netCDF4.Dataset(path, "w")
    for name, size in (("time", 1), ("nv", 2), ("yc", len(y)), ("xc", len(x))):
        file.createDimension(name, size)

    grid = file.createVariable(mapping, "i4")
    for key, value in crs.to_cf().items():
        if key != "crs_wkt" and isinstance(value, str | float):
            grid.setncattr(key, value)
    for name, values in (("xc", x), ("yc", y)):
        axis = file.createVariable(name, "f8", (name,))
        axis.setncatts({"standard_name": f"projection_{name[0]}_coordinate", "units": "km", "axis": name[0].upper()})
        axis[:] = values / 1e3

    lon, lat = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(*np.meshgrid(x, y))
    for name, values, units in (("lon", lon, "degrees_east"), ("lat", lat, "degrees_north")):
        column = file.createVariable(name, "f4", ("yc", "xc"))
        column.setncatts({"standard_name": f"{'long' if name == 'lon' else 'lat'}itude", "units": units})
        column[:] = values

    time = file.createVariable("time", "f8", ("time",))
    time.setncatts({"standard_name": "time", "units": EPOCH, "axis": "T"} | ({"bounds": "time_bnds"} if bounds else {}))
    time[:] = seconds(bounds[0]) / 2 + seconds(bounds[1]) / 2 if bounds else seconds(hours(12))
    if bounds:
        file.createVariable("time_bnds", "f8", ("time", "nv"))[:] = [[seconds(bound) for bound in bounds]]
    return file


def grid_axes(size: float, reach: float = 1000e3) -> tuple[np.ndarray, np.ndarray]:
    """Axes of a product, m; y decreases from row to row, as in the genuine files."""
    axis = np.arange(-reach + size / 2, reach, size)
    return axis, axis[::-1]


def write_osisaf(
    path: Path, percent: Field, bounds: list | None = None, size: float = 25e3, flag: Field | None = None,
    error: float = 3.0, crs: CRS = OSI_SAF,
) -> Path:  # fmt: skip
    """Concentration of OSI SAF: per cent in shorts, flags in bits, uncertainty; functions of x and y in m."""
    x, y = grid_axes(size)
    at = np.meshgrid(x, y)
    with _new_file(path, crs, x, y, "Polar_Stereographic_Grid", bounds or []) as file:
        dims = ("time", "yc", "xc")
        names = "total_standard_uncertainty status_flag"
        for name, values in (("ice_conc", percent(*at)), ("total_standard_uncertainty", np.full(at[0].shape, error))):
            column = file.createVariable(name, "i2", dims, fill_value=-32767)
            column.setncatts({"units": "%", "scale_factor": 0.01, "add_offset": 0.0, "coordinates": "time lat lon"})
            column.setncatts({"grid_mapping": "Polar_Stereographic_Grid"})
            column[:] = np.ma.masked_array(np.nan_to_num(values), np.isnan(values))[None]
        file["ice_conc"].setncatts({"standard_name": "sea_ice_area_fraction", "ancillary_variables": names})
        flags = file.createVariable("status_flag", "i1", dims)
        flags.setncatts({
            "standard_name": "sea_ice_area_fraction status_flag",
            "flag_masks": np.array([1, 2, 4, 8, 16, 32], "i1"),
            "flag_meanings": "land lake open_water_filter land_spill_over high_t2m_threshold spatial_interp",
        })  # fmt: skip
        flags[:] = (np.zeros(at[0].shape) if flag is None else flag(*at))[None]
    return path


def write_nsidc(path: Path, fraction: Field, times: list, as_flags: Field | None = None) -> Path:
    """Concentration of NSIDC (G02202): fractions in unsigned bytes, flags 251 to 254 among them, no bounds."""
    x, y = grid_axes(25e3)
    at = np.meshgrid(x, y)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", len(times)), ("y", len(y)), ("x", len(x))):
            file.createDimension(name, size)
        grid = file.createVariable("projection", "S1")
        for key, value in OSI_SAF.to_cf().items():
            if key != "crs_wkt" and isinstance(value, str | float):
                grid.setncattr(key, value)
        for name, values in (("xgrid", x), ("ygrid", y)):
            axis = file.createVariable(name, "f8", (name[0],))
            axis.setncatts({"standard_name": f"projection_{name[0]}_coordinate", "units": "meters"})
            axis[:] = values
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"standard_name": "time", "units": EPOCH})
        time[:] = [seconds(one) for one in times]
        column = file.createVariable("cdr_seaice_conc", "u1", ("time", "y", "x"), fill_value=np.uint8(255))
        column.setncatts({
            "units": "1", "scale_factor": np.float32(0.01), "add_offset": np.float32(0.0), "grid_mapping": "projection",
            "valid_range": np.array([0, 100], "u1"), "flag_values": np.array([251, 252, 253, 254], "u1"),
            "flag_meanings": "pole_hole lakes coastal land_mask", "standard_name": "sea_ice_area_fraction",
        })  # fmt: skip
        column.set_auto_scale(False)
        stored = np.round(fraction(*at) * 100)
        column[:] = np.where(as_flags(*at) > 0, as_flags(*at), stored) if as_flags else stored
        file.setncattr("time_coverage_duration", "P1D")
    return path


def write_cs2smos(path: Path, thickness: Field, percent: Field | None, bounds: list, error: float = 0.2) -> Path:
    """Weekly thickness of CryoSat-2 and SMOS over the ice, with concentration, on EASE2."""
    x, y = grid_axes(25e3)
    at = np.meshgrid(x, y)
    with _new_file(path, EASE2, x, y, "Lambert_Azimuthal_Grid", bounds) as file:
        columns = {
            "analysis_sea_ice_thickness": (thickness(*at), "m"),
            "analysis_sea_ice_thickness_unc": (np.full(at[0].shape, error), "m"),
            "background_sea_ice_thickness": (0 * thickness(*at), "m"),
        }
        if percent is not None:
            columns["sea_ice_concentration"] = (percent(*at), "%")
        for name, (values, units) in columns.items():
            column = file.createVariable(name, "i4", ("time", "yc", "xc"), fill_value=-2147483647)
            column.setncatts({"units": units, "scale_factor": 1e-3, "grid_mapping": "Lambert_Azimuthal_Grid"})
            column[:] = np.ma.masked_array(np.nan_to_num(values), np.isnan(values))[None]
    return path


def write_drift(
    path: Path, ends: Field, bounds: list, size: float = 62.5e3, flag: Field | None = None, with_ends: bool = True
) -> Path:
    """Displacements of OSI SAF: km along the axes of the product; ``ends`` gives lon, lat of the end from lon, lat."""
    x, y = grid_axes(size)
    at = np.meshgrid(x, y)
    to_globe = Transformer.from_crs(OSI_SAF, OSI_SAF.geodetic_crs, always_xy=True)
    lon, lat = to_globe.transform(*at)
    lon1, lat1 = ends(lon, lat)
    x1, y1 = to_globe.transform(lon1, lat1, direction="INVERSE")

    with _new_file(path, OSI_SAF, x, y, "Polar_Stereographic_Grid", bounds) as file:
        dims = ("time", "yc", "xc")
        columns = {"dX": ((x1 - at[0]) / 1e3, "km", "sea_ice_x_displacement"),
                   "dY": ((y1 - at[1]) / 1e3, "km", "sea_ice_y_displacement")}  # fmt: skip
        if with_ends:
            columns |= {"lon1": (lon1, "degrees_east", "longitude"), "lat1": (lat1, "degrees_north", "latitude")}
        columns["uncert_dX_and_dY"] = (np.full(lon.shape, 2.0), "km", "")
        codes = np.full(lon.shape, 30) if flag is None else flag(*at)
        for name, (values, units, standard) in columns.items():
            column = file.createVariable(name, "f4", dims, fill_value=np.float32(-1e10))
            column.setncatts({"units": units, "grid_mapping": "Polar_Stereographic_Grid"})
            if standard:
                column.setncatts({"standard_name": standard})
            if name in ("dX", "dY"):
                column.setncatts({"ancillary_variables": "uncert_dX_and_dY status_flag"})
            column[:] = np.where(codes >= 20, values, -1e10)[None]
        flags = file.createVariable("status_flag", "i1", dims)
        meanings = "missing_input_data over_land no_ice interpolated nominal_quality"
        flags.setncatts({"flag_values": np.array([0, 1, 2, 22, 30], "i1"), "flag_meanings": meanings})
        flags[:] = codes[None]
    return path
