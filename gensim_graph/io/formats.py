"""All kinds of files and folders that the package reads: meshes, fields, or both.

A format is one module that reads it and one row of ``FORMATS``. A row may read meshes only (``load_mesh`` uses it),
fields only (``open_store`` uses it), or both. Where a program keeps its mesh and its fields in different files, each
kind of file is a row of its own. Fields in netCDF or zarr with a UGRID topology as this package writes it need no row:
``open_store`` opens what no row with ``read_fields`` recognises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.cf import is_gridded, read_grid, read_gridded, refuse_unsupported
from gensim_graph.io.fesom import (
    is_diagnostics,
    is_fesom,
    is_fesom_output,
    read_diagnostics_mesh,
    read_fesom,
    read_fesom_output,
)
from gensim_graph.io.gensim_zarr import gensim_times, is_gensim, read_gensim
from gensim_graph.io.gmsh import MESHIO_SUFFIXES, read_gmsh
from gensim_graph.io.moorings import is_moorings, read_moorings, read_moorings_mesh
from gensim_graph.io.mpas import is_mpas, mpas_mesh
from gensim_graph.io.nextsim import is_nextsim, is_pair, output_times, read_nextsim, read_pair_mesh
from gensim_graph.io.nextsimdg import is_nextsimdg, mesh_of_geometry, read_geometry, read_nextsimdg, read_smesh
from gensim_graph.io.safe import is_dataset, is_zarr, opened_dataset
from gensim_graph.io.ugrid import has_topology, ugrid_mesh
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.typing import Array

MeshReader = Callable[[Path, CRS | None, Defects], Mesh]
FieldReader = Callable[[Path, Mesh | None], xr.Dataset]
TimesReader = Callable[[Path], Array]
PartReader = Callable[[Path, Mesh | None, slice], xr.Dataset]


@dataclass(frozen=True)
class Format:
    """A kind of file or folder.

    Attributes:
        name: words for messages.
        recognises: returns True if a path is of this kind. It looks at names, the first bytes and a few attributes
            only, and never raises.
        read_mesh: reads the mesh from a path, a plane (or None) and the treatment of defects; raises InputError. None
            if the format has no mesh to load.
        read_fields: reads a path, given a target mesh (or None), as a dataset with a UGRID topology and variables of
            the variable table on (time, face) or (time, node), in SI units, vectors along the axes of the mesh; raises
            InputError. It may bring the fields onto the target mesh itself; otherwise ``open_store`` remaps them. None
            if the format has no fields.
        in_parts: for archives that do not fit into memory: a function that returns the times of a path, and one like
            ``read_fields`` with a slice of the records as its third argument. None if a path is read as a whole.
    """

    name: str
    recognises: Callable[[Path], bool]
    read_mesh: MeshReader | None = None
    read_fields: FieldReader | None = None
    in_parts: tuple[TimesReader, PartReader] | None = None


def find_format(path: Path) -> Format | None:
    """Return the format that reads the fields of a path; None if it is to be opened as UGRID."""
    return next((one for one in FORMATS if one.read_fields is not None and one.recognises(path)), None)


def find_mesh_reader(path: Path) -> MeshReader | None:
    """Return the function that reads the mesh of a path; None if no format with meshes recognises the path."""
    return next((one.read_mesh for one in FORMATS if one.read_mesh is not None and one.recognises(path)), None)


def mesh_format_names() -> list[str]:
    """Return the names of the formats that ``load_mesh`` reads, for messages."""
    return [one.name for one in FORMATS if one.read_mesh is not None]


def _has_suffix(*suffixes: str) -> Callable[[Path], bool]:
    """Recogniser of files by their suffix."""
    return lambda file: file.suffix.lower() in suffixes and file.is_file()


def _is_existing_dataset(file: Path) -> bool:
    return is_dataset(file) and (file.is_file() or is_zarr(file))


def _without_repair(read: Callable[[Path, CRS | None], Mesh]) -> MeshReader:
    """Mesh reader of a format that refuses defects in any case."""
    return lambda file, crs, _: read(file, crs)


def _read_dataset_mesh(file: Path, crs: CRS | None, defects: Defects) -> Mesh:
    with opened_dataset(file) as dataset:
        if has_topology(dataset):
            return ugrid_mesh(dataset, crs, defects)
        if is_mpas(dataset):
            return mpas_mesh(dataset, crs, defects)

        refuse_unsupported(dataset)
        return read_grid(dataset, crs).mesh


def read_topology(file: Path, crs: CRS | None, defects: Defects, name: str) -> Mesh:
    """Read one of several UGRID topologies of a file.

    Args:
        file: netCDF file or zarr store.
        crs: plane, or None.
        defects: treatment of defects.
        name: name of the topology variable.

    Raises:
        InputError: the file has no topologies, or none of this name.
    """
    if not is_dataset(file):
        raise InputError(f"topology='{name}' (--topology) is for netCDF and zarr with UGRID topologies")

    with opened_dataset(file) as dataset:
        return ugrid_mesh(dataset, crs, defects, name)


def _read_nextsimdg_mesh(file: Path, crs: CRS | None) -> Mesh:
    return mesh_of_geometry(read_geometry(file), crs)


_OTHER_SUFFIXES = sorted(MESHIO_SUFFIXES - {".msh"})

# fmt: off
FORMATS: list[Format] = [
    Format("GenSIM's training data", is_gensim, None, read_gensim, (gensim_times, read_gensim)),
    Format("output of neXtSIM", is_nextsim, None, read_nextsim, (output_times, read_nextsim)),
    Format(".msh (gmsh, neXtSIM)", _has_suffix(".msh"), read_gmsh),
    Format("moorings (neXtSIM)", is_moorings, _without_repair(read_moorings_mesh), read_moorings),
    Format(".nc (neXtSIM-DG)", is_nextsimdg, _without_repair(_read_nextsimdg_mesh), read_nextsimdg),
    Format("output of FESOM 2", is_fesom_output, read_fields=read_fesom_output),
    Format("fesom.mesh.diag.nc", is_diagnostics, read_diagnostics_mesh),
    Format("trajectory of another program", is_gridded, read_fields=read_gridded),
    Format(".nc, .nc4 and .zarr (UGRID, MPAS, grids)", _is_existing_dataset, _read_dataset_mesh),
    Format(".smesh (neXtSIM-DG)", _has_suffix(".smesh"), _without_repair(read_smesh)),
    Format("mesh_*.bin with .dat (neXtSIM)", is_pair, _without_repair(read_pair_mesh)),
    Format("FESOM folders (nod2d.out, elem2d.out)", is_fesom, read_fesom),
    Format(f"through meshio {', '.join(_OTHER_SUFFIXES)}", _has_suffix(*_OTHER_SUFFIXES), read_gmsh),
]
# fmt: on
"""In the order in which they are tried; of the rows that read what is asked for, the first that recognises a path."""
