"""GenSIM's training data: a zarr store with one array ``datacube`` and ``var_names``.

The datacube is (time, variable, cell) over the ocean cells, row by row of the mask, as GenSIM's own reader expects it,
or (time, variable, y, x), as its guide describes it. Coordinates and mask are in a netCDF file ``ds_auxiliary.nc``
beside the store: ``mask`` with 1 = ocean, ``longitude`` and ``latitude``, or else ``x_coord`` and ``y_coord`` in m of a
plane that the file does not name. Vectors lie along the axes of the grid. If the store has no times, records are six
hours apart. Missing values become zero, as in GenSIM.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import on_mesh, read_grid
from gensim_graph.io.file_mesh import FileMesh
from gensim_graph.io.names import variables_to_read
from gensim_graph.io.safe import opened_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_AUXILIARY = "ds_auxiliary.nc"
_FOLDERS = (".", "auxiliary", "..", "../auxiliary", "../../auxiliary")
_STEP = np.timedelta64(6, "h")


def is_gensim(path: Path) -> bool:
    """Return True if a path is a zarr store with a ``datacube``."""
    return path.suffix == ".zarr" and (path / "datacube").is_dir()


def gensim_times(path: Path) -> Array:
    """Return the times of GenSIM's data, (T,) datetime64, without reading the data.

    Raises:
        InputError: the store cannot be read.
    """
    with naming(path), _as_input_errors():
        store = zarr.open_group(path, mode="r")
        cube: Any = store["datacube"]
        return _times(store, cube.shape[0])


def read_gensim(path: Path, mesh: Mesh | None = None, records: slice = slice(None)) -> xr.Dataset:
    """Read GenSIM's data as a UGRID dataset on the ocean cells of its grid.

    Args:
        path: the zarr store.
        mesh: the result lies in the plane of this mesh; None chooses a plane.
        records: numbers of the records to read; all by default.

    Raises:
        InputError: no auxiliary file, names that do not fit the datacube, a grid of another size, or more data than
            memory.
    """
    with naming(path), _as_input_errors():
        store = zarr.open_group(path, mode="r")
        cube: Any = store["datacube"]
        names = _names(store)

        if cube.ndim not in (3, 4) or len(names) != cube.shape[1]:
            raise InputError(
                f"datacube has shape {cube.shape} and {len(names)} names; expected (time, variable, cell) or "
                "(time, variable, y, x)"
            )

        file = _auxiliary_file(path)
        source, mask = _read_auxiliary(file, file.stat().st_mtime_ns, mesh.crs if mesh is not None else None)
        if cube.shape[2:] not in (mask.shape, (np.count_nonzero(mask),)):
            raise InputError(
                f"the grid of {_AUXILIARY} is {mask.shape} with {np.count_nonzero(mask)} ocean cells, the datacube has "
                f"{cube.shape[2:]}"
            )

        cells = source.faces.index if cube.ndim == 4 else (np.cumsum(mask) - 1)[source.faces.index]
        known = [variable for variable in variables_to_read() if variable.name in names]

        if len(known) < len(names) and not records.start:  # said once for data that are read in parts
            log.warning("%s: not read, not in the variable table: %s", path, set(names) - {one.name for one in known})

        block = _block(cube, [names.index(one.name) for one in known], records)
        columns = {one.name: block[:, number][:, cells] for number, one in enumerate(known)}
        attributes = {one.name: {"units": one.units} for one in known}
        dataset = on_mesh(source, {"face": columns}, attributes)
        for one in known:
            dataset[one.name].encoding["preferred_chunks"] = {"time": cube.chunks[0]}

        return dataset.assign_coords(time=_times(store, cube.shape[0])[records])


@contextmanager
def _as_input_errors() -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # zarr and its codecs raise exceptions of all kinds
        raise InputError(f"cannot be read as GenSIM's zarr ({str(error)[:120]}); is it complete?") from error


def _block(cube: Any, numbers: list[int], records: slice) -> Array:
    """Some variables, (time, variable, flat cell), missing values 0; read together, as each chunk holds them all."""
    count = len(range(*records.indices(cube.shape[0])))
    size = 4 * len(numbers) * np.prod([count, *cube.shape[2:]], dtype=np.int64)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    if size > memory:
        raise InputError(
            f"its {count} records need {size / 2**30:.0f} GiB of memory, this machine has {memory / 2**30:.0f}; write "
            "a shorter period to a store of its own, or, for training, all of it (gensim-graph data prepare)"
        )

    values = cube.get_orthogonal_selection((records, np.array(numbers)))
    values = values.reshape(*values.shape[:2], -1).astype(np.float32, copy=False)

    return np.nan_to_num(values, copy=False)


def _names(store: zarr.Group) -> list[str]:
    """Names of the variables: an array of the store, or an attribute of the store or the datacube."""
    if "var_names" in store:
        values: Any = store["var_names"]
        found = values[:].tolist()
    else:
        found = store.attrs.get("var_names", store["datacube"].attrs.get("var_names"))

    if not isinstance(found, list):
        raise InputError("the store has no 'var_names', so nobody knows what is in the datacube")

    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def _times(store: zarr.Group, count: int) -> Array:
    if "time" in store:
        values: Any = store["time"]
        variable = xr.Variable("time", np.asarray(values[:]), dict(values.attrs))
        return xr.conventions.decode_cf_variable("time", variable).values

    log.warning("the store has no times: records are taken to be 6 h apart, from 2000-01-01")
    return np.datetime64("2000-01-01", "ns") + np.arange(count) * _STEP


def _auxiliary_file(path: Path) -> Path:
    files = [path.resolve().parent / folder / _AUXILIARY for folder in _FOLDERS]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise InputError(f"needs {_AUXILIARY} (x_coord, y_coord, mask) beside it or in a folder 'auxiliary' next to it")

    return file


@lru_cache(maxsize=4)
def _read_auxiliary(file: Path, changed: int, plane: CRS | None) -> tuple[FileMesh, Array]:
    """Mesh and mask (y, x); kept, because large data are read in many parts.

    Args:
        file: the auxiliary file.
        changed: time of its last change.
        plane: plane of the mesh; None chooses one.
    """
    with naming(file), opened_dataset(file) as ds:
        missing = [name for name in ("x_coord", "y_coord", "mask") if name not in ds.variables]
        if missing:
            raise InputError(f"has no {', '.join(missing)}")

        known = [name for name in ("longitude", "latitude", "x_coord", "y_coord", "mask") if name in ds.variables]
        auxiliary = ds[known].squeeze(drop=True).load()

    mask = np.nan_to_num(auxiliary["mask"].values) > 0.5
    return read_grid(auxiliary, plane, mask), mask
