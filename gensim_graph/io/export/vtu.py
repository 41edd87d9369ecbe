"""VTU: faces with fields for ParaView, one time a file, and collections (``.pvd``) that say which file is when.

Written here and not through a library because the file shall say more than numbers: time and units. Binary, compressed
with zlib, in line: any reader of VTK's XML takes it.
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

_TYPES = {"f4": "Float32", "f8": "Float64", "i1": "Int8", "u1": "UInt8", "i4": "Int32", "i8": "Int64"}
_KINDS = {3: 5, 4: 9}  # corners -> VTK's number of triangles and quadrilaterals; 7: polygons
_BLOCK = 2**20  # bytes that are compressed together


@dataclass(frozen=True)
class VtuField:
    """Values on faces or nodes.

    Attributes:
        values: (F,) or (N,), or (.., 3) for vectors.
        units: shown by ParaView; empty for a plain number.
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
        mesh: the mesh; neither its crs nor the names of its boundaries have a place in the format.
        on_faces: name -> values (F,) or (F, 3).
        on_nodes: name -> values (N,) or (N, 3).
        time: what ParaView shows as time.
    """
    counts = mesh.corner_counts
    cells = {
        "connectivity": VtuField(mesh.faces[mesh.faces >= 0]),
        "offsets": VtuField(np.cumsum(counts)),
        "types": VtuField(np.vectorize(_KINDS.get, otypes=[np.uint8])(counts, 7)),
    }
    points = {"Points": VtuField(np.pad(mesh.nodes, ((0, 0), (0, 1))))}
    sections = {"Points": points, "Cells": cells, "PointData": on_nodes or {}, "CellData": on_faces or {}}

    with path.open("w", encoding="ascii", errors="xmlcharrefreplace") as stream:
        stream.write(
            '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" '
            'header_type="UInt64" compressor="vtkZLibDataCompressor">\n<UnstructuredGrid>\n'
        )
        if time is not None:
            value = _array("TimeValue", VtuField(np.array([time])), ' NumberOfTuples="1"')
            stream.write(f"<FieldData>\n{value}</FieldData>\n")

        stream.write(f'<Piece NumberOfPoints="{mesh.n_nodes}" NumberOfCells="{mesh.n_faces}">\n')
        for section, fields in sections.items():
            stream.write(f"<{section}>\n")
            stream.writelines(_array(name, field) for name, field in fields.items())
            stream.write(f"</{section}>\n")

        stream.write("</Piece>\n</UnstructuredGrid>\n</VTKFile>\n")


def write_pvd(path: FilePath, files: Mapping[float, str]) -> None:
    """Write a collection: time -> file, relative to the folder of ``path``."""
    rows = (f'<DataSet timestep="{time!r}" part="0" file={quoteattr(file)}/>\n' for time, file in files.items())
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0" byte_order="LittleEndian">\n'
    path.write_text(head + "<Collection>\n" + "".join(rows) + "</Collection>\n</VTKFile>\n")


def _array(name: str, field: VtuField, more: str = "") -> str:
    values = np.ascontiguousarray(field.values)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    kind = _TYPES[values.dtype.str[1:]]
    width = "" if values.ndim == 1 else f' NumberOfComponents="{values.shape[1]}"'
    label = f'<InformationKey name="UNITS_LABEL" location="vtkDataArray">{field.units}</InformationKey>'

    return (
        f'<DataArray type="{kind}" Name={quoteattr(name)}{width} format="binary"{more}>'
        f"{_compressed(values.tobytes())}{label if field.units else ''}</DataArray>\n"
    )


def _compressed(content: bytes) -> str:
    """Blocks of one size but the last: their number, their size, that of the last, all sizes compressed; the blocks."""
    blocks = [content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK)]
    packed = [zlib.compress(block, 6) for block in blocks]
    rest = len(content) % _BLOCK  # 0: the last block is whole
    header = np.array([len(blocks), _BLOCK, rest, *map(len, packed)], dtype="<u8")
    return (base64.b64encode(header.tobytes()) + base64.b64encode(b"".join(packed))).decode()
