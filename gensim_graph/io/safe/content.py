"""Recognition of netCDF files and zarr stores by their first bytes, whatever they are called.

Files come as ``.nc``, ``.nc4``, ``.cdf``, ``.h5``, ``.nc.bin`` or without a suffix. Files of other kinds that people
have (compressed files, GRIB, HDF4) are named, with the command that converts them.
"""

import zipfile
from pathlib import Path as FilePath

from gensim_graph.errors import InputError

DATASET_SUFFIXES = frozenset({".nc", ".nc4", ".zarr"})
"""Suffixes of netCDF files and zarr stores, also of damaged ones."""

_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")
"""First bytes of netCDF-3 in three versions, and of HDF5, which is netCDF-4."""

_ZARR = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")
"""Files that a group of zarr has, in version 3 and 2."""

_OF_OTHERS = frozenset({".msh", ".med", ".cgns", ".h5m", ".e", ".ex2", ".exo", ".exii", ".xdmf", ".xmf", ".vtu",
                        ".smesh", ".ckpt", ".pt"})  # fmt: skip
"""Suffixes of other formats; some of them are HDF5 or netCDF inside."""

_OTHER_CONTENT = (
    (b"\x1f\x8b", "is compressed with gzip; unpack it first, gunzip -k {0}"),
    (b"BZh", "is compressed with bzip2; unpack it first, bunzip2 -k {0}"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first, unxz -k {0}"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first, unzstd {0}"),
    (b"PK\x03\x04", "is a zip archive without a zarr store at its top; unpack it first, unzip {0}"),
    (b"GRIB", "is GRIB; convert it to netCDF, cdo -f nc4 copy {0} {1}.nc"),
    (b"\x0e\x03\x13\x01", "is HDF4; convert it to netCDF-4, h4tonccf_nc4 {0} {1}.nc"),
    (b"<!DOC", "is a page of HTML: the download has failed"),
    (b"<html", "is a page of HTML: the download has failed"),
)
"""First bytes -> what the file is and what to do; {0} is its name, {1} its name without suffix."""


def is_dataset(path: FilePath) -> bool:
    """Return True if a path is a netCDF file or a zarr store by its suffix or its content; never raises.

    Args:
        path: a file or folder.

    Example:
        >>> from pathlib import Path
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.io.safe import is_dataset
        >>> is_dataset(Path(cyclone_trajectories("test")[0])), is_dataset(Path("notes.txt"))
        (True, False)
    """
    suffix = path.suffix.lower()
    if suffix in DATASET_SUFFIXES:
        return True
    return suffix not in _OF_OTHERS and (has_netcdf_content(path) or is_zarr(path))


def has_netcdf_content(path: FilePath) -> bool:
    """Return True if the first bytes of a file are those of netCDF or HDF5."""
    return _start(path).startswith(_NETCDF)


def is_zarr(path: FilePath) -> bool:
    """Return True if a path is a folder or a zip archive with a zarr store, or a folder that is called so."""
    if path.is_dir():
        return path.suffix.lower() == ".zarr" or any((path / name).exists() for name in _ZARR)
    return zarr_root_in(path) is not None


def zarr_root_in(path: FilePath) -> str | None:
    """Return the folder of the zarr store inside a zip archive, empty at its top; None if there is none.

    Args:
        path: the archive.
    """
    if not _start(path).startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None

    found = [name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _ZARR and name.count("/") <= 1]
    return min(found, key=len, default=None)


def refuse_other_content(path: FilePath) -> None:
    """Refuse a file whose first bytes are those of a compressed file, of GRIB or of another kind that people have.

    Raises:
        InputError: the file is of such a kind; the message names it and the command that converts it.
    """
    start = _start(path)
    for magic, text in _OTHER_CONTENT:
        if start.lower().startswith(magic.lower()) if magic.startswith(b"<") else start.startswith(magic):
            raise InputError(text.format(path.name, path.stem))


def _start(path: FilePath) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError:  # a folder, or a file that the reader that opens it next reports
        return b""
