"""VTU files for ParaView: faces with fields at one time; and ``.pvd`` collections, which list the time of each file.

The package writes them itself, and not through a library, because the files also hold time and units. The data are
binary, compressed with zlib, inside the XML; any reader of VTK's XML formats can read them.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from xml.sax.saxutils import quoteattr

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_VTK_TYPES = {"f4": "Float32", "f8": "Float64", "i1": "Int8", "u1": "UInt8", "i4": "Int32", "i8": "Int64"}
_CELL_TYPES = {3: 5, 4: 9}  # number of corners -> VTK's cell type: triangle, quadrilateral
_POLYGON = 7  # VTK's cell type for any other number of corners
_BLOCK = 2**20  # bytes that are compressed as one block


@dataclass(frozen=True)
class VtuField:
    """Values on faces or nodes.

    Attributes:
        values: (F,) or (N,); (F, 3) or (N, 3) for vectors.
        units: unit that ParaView shows; empty for a dimensionless number.
    """

    values: Array
    units: str = ""


def write_vtu(
    path: FilePath,
    mesh: Mesh,
    on_faces: Mapping[str, VtuField] | None = None,
    on_nodes: Mapping[str, VtuField] | None = None,
    time: float | None = None,
) -> None:
    """Write the faces of a mesh as VTK polygons in the plane z = 0, in m.

    Args:
        path: the file.
        mesh: the mesh; the format cannot hold its crs and the names of its boundaries.
        on_faces: name -> values (F,) or (F, 3).
        on_nodes: name -> values (N,) or (N, 3).
        time: number that ParaView shows as time.
    """
    counts = mesh.corner_counts
    cells = {
        "connectivity": VtuField(mesh.faces[mesh.faces >= 0]),
        "offsets": VtuField(np.cumsum(counts)),
        "types": VtuField(np.vectorize(_CELL_TYPES.get, otypes=[np.uint8])(counts, _POLYGON)),
    }
    points = {"Points": VtuField(np.pad(mesh.nodes, ((0, 0), (0, 1))))}
    sections = {"Points": points, "Cells": cells, "PointData": on_nodes or {}, "CellData": on_faces or {}}

    with path.open("w", encoding="ascii", errors="xmlcharrefreplace") as stream:
        stream.write(
            '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" '
            'header_type="UInt64" compressor="vtkZLibDataCompressor">\n<UnstructuredGrid>\n'
        )
        if time is not None:
            value = _data_array("TimeValue", VtuField(np.array([time])), ' NumberOfTuples="1"')
            stream.write(f"<FieldData>\n{value}</FieldData>\n")

        stream.write(f'<Piece NumberOfPoints="{mesh.n_nodes}" NumberOfCells="{mesh.n_faces}">\n')
        for section, fields in sections.items():
            stream.write(f"<{section}>\n")
            stream.writelines(_data_array(name, field) for name, field in fields.items())
            stream.write(f"</{section}>\n")

        stream.write("</Piece>\n</UnstructuredGrid>\n</VTKFile>\n")


def write_pvd(path: FilePath, files: Mapping[float, str]) -> None:
    """Write a collection.

    Args:
        path: the ``.pvd`` file.
        files: time -> name of a ``.vtu`` file, relative to the folder of ``path``.
    """
    rows = (f'<DataSet timestep="{time!r}" part="0" file={quoteattr(file)}/>\n' for time, file in files.items())
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0" byte_order="LittleEndian">\n'
    path.write_text(head + "<Collection>\n" + "".join(rows) + "</Collection>\n</VTKFile>\n")


def _data_array(name: str, field: VtuField, more: str = "") -> str:
    """Return the XML element of one array."""
    values = np.ascontiguousarray(field.values)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    kind = _VTK_TYPES[values.dtype.str[1:]]
    width = "" if values.ndim == 1 else f' NumberOfComponents="{values.shape[1]}"'
    label = f'<InformationKey name="UNITS_LABEL" location="vtkDataArray">{field.units}</InformationKey>'

    return (
        f'<DataArray type="{kind}" Name={quoteattr(name)}{width} format="binary"{more}>'
        f"{_compressed(values.tobytes())}{label if field.units else ''}</DataArray>\n"
    )


def _compressed(content: bytes) -> str:
    """Return bytes as VTK compresses them: a header, then blocks of one size, of which the last may be shorter.

    The header holds the number of blocks, their size, the size of the last one, and the sizes of all after compression.
    """
    blocks = [content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK)]
    packed = [zlib.compress(block, 6) for block in blocks]
    last = len(content) % _BLOCK  # 0 if the last block has the size of the others
    header = np.array([len(blocks), _BLOCK, last, *map(len, packed)], dtype="<u8")

    return (base64.b64encode(header.tobytes()) + base64.b64encode(b"".join(packed))).decode()
