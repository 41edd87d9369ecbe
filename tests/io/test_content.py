"""netCDF and zarr are known by their content: any name, and zip archives; other content is refused by its name."""

import bz2
import gzip
import lzma
import shutil
import zipfile

import numpy as np
import pytest
import xarray as xr
from support.grids import plane_grid

from gensim_graph.errors import InputError
from gensim_graph.forecast import read_initial
from gensim_graph.io import holds_fields, load_mesh, mesh_from_dataset, mesh_to_dataset, open_store
from gensim_graph.io.safe import is_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables


def own_layout() -> xr.Dataset:
    axis = np.arange(5) * 1e4
    ds = mesh_to_dataset(Mesh.from_grid(axis, axis)).assign_coords(
        time=np.datetime64("2010-01-01", "ns") + np.arange(2) * np.timedelta64(6, "h")
    )
    values = np.random.default_rng(0).uniform(size=(2, 25)).astype(np.float32)
    return ds.assign(sic=(("time", "face"), values, {"units": "1"}))


MAKERS = {"grid of another program": plane_grid, "mesh of this package": own_layout}


def check(path, ds: xr.Dataset, tmp_path) -> None:
    """The file is read as the same data under the usual name."""
    ds.to_netcdf(tmp_path / "usual.nc")
    expected = open_store(tmp_path / "usual.nc")
    assert is_dataset(path)
    assert holds_fields(path)
    store = open_store(path)
    np.testing.assert_array_equal(store["sic"].values, expected["sic"].values)
    assert load_mesh(path).hash == mesh_from_dataset(expected).hash
    time = np.datetime_as_string(ds["time"].values[1], "s")
    state = read_initial(f"{path}@{time}", None, default_variables())
    np.testing.assert_array_equal(state["sic"].values, expected["sic"].values[1])


GRID, OWN = MAKERS


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [(GRID, "run.nc4", "NETCDF4"), (GRID, "run.cdf", "NETCDF3_CLASSIC"), (GRID, "run", "NETCDF3_64BIT"),
     (OWN, "run.h5", "NETCDF4"), (OWN, "run.nc.bin", "NETCDF4"), (OWN, "RUN.NC", "NETCDF3_CLASSIC"),
     (OWN, "run.2010-01-01", "NETCDF4_CLASSIC")],
)  # fmt: skip
def test_netcdf_by_any_name(make, name, kind, tmp_path):
    ds = MAKERS[make]()
    ds.to_netcdf(tmp_path / name, format=kind)
    check(tmp_path / name, ds, tmp_path)


def zipped(folder, target, root: str = "") -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{root}{file.relative_to(folder)}")


@pytest.mark.parametrize(
    ("make", "name", "version"),
    [(GRID, "run.zarr.zip", 2), (OWN, "run.zarr.zip", 3), (OWN, "run.zip", 2), (GRID, "folder", 3), (OWN, "folder", 2)],
)
def test_zarr_in_a_zip_or_any_folder(make, version, name, tmp_path):
    ds = MAKERS[make]()
    ds.to_zarr(tmp_path / "run.zarr", zarr_format=version, consolidated=False)
    if name == "folder":
        (tmp_path / "run.zarr").rename(tmp_path / name)
    else:
        zipped(tmp_path / "run.zarr", tmp_path / name)
    check(tmp_path / name, ds, tmp_path)


def test_a_zip_with_the_folder_of_the_store_inside(tmp_path):
    """``zip -r run.zarr.zip run.zarr`` keeps the name of the folder."""
    ds = plane_grid()
    ds.to_zarr(tmp_path / "run.zarr", zarr_format=2, consolidated=False)
    zipped(tmp_path / "run.zarr", tmp_path / "run.zarr.zip", "run.zarr/")
    check(tmp_path / "run.zarr.zip", ds, tmp_path)


OTHERS = {
    "run.nc.gz": (lambda data: gzip.compress(data), "gunzip -k run.nc.gz"),
    "run.nc.bz2": (lambda data: bz2.compress(data), "bunzip2 -k run.nc.bz2"),
    "run.nc.xz": (lambda data: lzma.compress(data), "unxz -k run.nc.xz"),
    "gzipped.nc": (lambda data: gzip.compress(data), "compressed with gzip"),
    "era5.grib": (lambda data: b"GRIB\0\0\0\2" + data, "cdo -f nc4 copy era5.grib era5.nc"),
    "era5.nc": (lambda data: b"GRIB\0\0\0\2" + data, "is GRIB"),
    "ice.hdf": (lambda data: b"\x0e\x03\x13\x01" + data, "is HDF4"),
    "page.nc": (lambda data: b"<!DOCTYPE html><html>login</html>", "download has failed"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("read", [load_mesh, open_store])
def test_other_content_is_named(name, read, tmp_path):
    plane_grid().to_netcdf(tmp_path / "plain.nc")
    change, advice = OTHERS[name]
    (tmp_path / name).write_bytes(change((tmp_path / "plain.nc").read_bytes()))
    with pytest.raises(InputError, match=name) as error:
        read(tmp_path / name)
    assert advice in str(error.value)


def test_archives_without_a_store(tmp_path):
    plane_grid().to_netcdf(tmp_path / "run.nc")
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        archive.write(tmp_path / "run.nc", "run.nc")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "run.zip").read_bytes()[:200])
    for name in ("run.zip", "cut.zip"):
        for read in (load_mesh, open_store):
            with pytest.raises(InputError, match=f"{name}.*unzip"):
                read(tmp_path / name)


def test_a_damaged_store_in_a_zip(tmp_path):
    plane_grid().to_zarr(tmp_path / "run.zarr", zarr_format=2, consolidated=False)
    shutil.rmtree(tmp_path / "run.zarr" / "x")
    (tmp_path / "run.zarr" / "sic" / ".zarray").write_text("{")
    zipped(tmp_path / "run.zarr", tmp_path / "run.zarr.zip")
    for read in (load_mesh, open_store):
        with pytest.raises(InputError, match=r"run\.zarr\.zip"):
            read(tmp_path / "run.zarr.zip")


def test_text_is_no_dataset(tmp_path):
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(InputError, match=r"unknown kind of mesh '\.txt'"):
        load_mesh(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="cannot be read as netCDF or zarr, by its name or its content"):
        open_store(tmp_path / "notes.txt")
