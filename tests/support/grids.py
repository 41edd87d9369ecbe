"""Trajectories on grids, as files of other programs."""

import numpy as np
import xarray as xr
import zarr

TIMES = np.datetime64("2000-01-01", "ns") + np.arange(3) * np.timedelta64(3, "h")


UNITS = {"sit": "m", "sic": "1", "siu": "m s-1", "siv": "m s-1", "uas": "m s-1", "vas": "m s-1"}


def plane_grid(ny: int = 12, nx: int = 16, land: bool = True) -> xr.Dataset:
    """A trajectory on axes in metres with an island, NaN on land."""
    rng = np.random.default_rng(0)
    mask = np.ones((ny, nx), dtype=np.int8)
    mask[4:6, 5:9] = not land
    ds = xr.Dataset({"mask": (("y", "x"), mask)}, coords={"time": TIMES})
    ds = ds.assign_coords(x=("x", np.arange(nx) * 1e4, {"units": "m"}), y=("y", np.arange(ny) * 1e4, {"units": "m"}))
    for name, unit in UNITS.items():
        values = np.where(mask == 1, rng.uniform(0, 1, (3, ny, nx)), np.nan).astype(np.float32)
        ds[name] = (("time", "y", "x"), values, {"units": unit})
    return ds


def gensim_store(folder, packed: bool, times: bool = True):
    ds = plane_grid()
    mask = ds["mask"].values == 1
    names = ["siv", "sit", "rhus", "siu", "sic"]
    cube = np.stack([ds["sit" if name == "rhus" else name].values for name in names], axis=1)
    group = zarr.open_group(folder / "train.zarr", mode="w")
    group.create_array("datacube", data=cube[:, :, mask] if packed else cube)
    group.create_array("var_names", data=np.array(names))
    if times:
        time = group.create_array("time", data=np.arange(3) * 6)
        time.attrs["units"] = "hours since 2010-01-01"
    (folder / "auxiliary").mkdir()
    x, y = np.meshgrid(ds["x"], ds["y"])
    xr.Dataset(
        {"x_coord": (("y", "x"), x), "y_coord": (("y", "x"), y), "mask": (("y", "x"), mask.astype(np.float32))}
    ).to_netcdf(folder / "auxiliary" / "ds_auxiliary.nc")
    return ds, folder / "train.zarr"
