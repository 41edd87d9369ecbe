"""neXtSIM's binary files by struct and numpy alone, for comparison: no checks, nothing of the package."""

import struct
from pathlib import Path

import numpy as np

TYPES = {"int": "<i4", "float": "<f4", "double": "<f8"}


def plain_read(base: Path) -> list[tuple[str, np.ndarray]]:
    """Name and values of every record of ``base.bin``, ``base.dat``."""
    content = base.with_suffix(".bin").read_bytes()
    place, records = 0, []
    for line in base.with_suffix(".dat").read_text().splitlines():
        name, kind = line.split()[:2]
        (count,) = struct.unpack_from("<i", content, place)
        records.append((name, np.frombuffer(content, TYPES[kind], count, place + 4)))
        place += 4 + count * int(TYPES[kind][-1])
    assert place == len(content)
    return records


def plain_mesh(base: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (F, 3) from 0, ids (N,) and positions (N, 2) of ``base``."""
    elements, ids, x, y = (values for _, values in plain_read(base))
    return elements.reshape(-1, 3) - 1, ids, np.stack([x, y], axis=1)


def triangle_areas(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Areas (F,) by the cross product, positive counter-clockwise."""
    (ax, ay), (bx, by), (cx, cy) = (nodes[faces[:, corner]].T for corner in range(3))
    return 0.5 * ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
