"""Graphs of large meshes, kept on disk: a mesh is prepared once, not once a run."""

import hashlib
import json
import logging
from pathlib import Path as FilePath
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gensim_graph.graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.system import cache_folder, write_atomically
from gensim_graph.typing import Path

log = logging.getLogger(__name__)

SMALLEST = 50_000
"""Meshes of fewer faces are prepared faster than they are looked up."""

LARGEST_FOLDER = 10 * 2**30
"""Bytes; beyond them the graphs that were not used for the longest time are removed."""

_VERSION = 1
"""To be raised when the preparation changes: graphs of another version are not found."""


def cached_graph(
    mesh: Mesh, level: int = 0, *, folder: Path | None = None, smallest: int = SMALLEST, **options: Any
) -> MeshGraph:
    """Graph of a mesh, from the cache if it has been prepared before.

    A file that cannot be read is made again; a folder that cannot be written to costs a warning.

    Args:
        mesh: the mesh; its hash and the options are the key.
        level: coarsening level.
        folder: of the cache; None takes :func:`~gensim_graph.system.resources.cache_folder`.
        smallest: meshes of fewer faces are not kept.
        options: of :func:`~gensim_graph.graph.build_graph`.

    Returns:
        The same graph as ``build_graph`` gives.

    Raises:
        InputError: as ``build_graph``.
    """
    if mesh.n_faces < smallest:
        return build_graph(mesh, level, **options)

    place = FilePath(folder) if folder is not None else cache_folder()
    file = place / f"{_key(mesh, level, options)}.safetensors"
    kept = _read(file)

    if kept is not None:
        return kept

    graph = build_graph(mesh, level, **options)
    try:
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda path: save_file(_tensors(graph), path))
        _make_room(place, file)
    except OSError as error:
        log.warning("the prepared mesh is not kept (%s); set GENSIM_GRAPH_CACHE to a folder that can be written", error)

    return graph


def _key(mesh: Mesh, level: int, options: dict[str, Any]) -> str:
    text = json.dumps([_VERSION, mesh.hash, level, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _tensors(graph: MeshGraph) -> dict[str, Any]:
    return {name: value.contiguous() for name, value in graph.to_dict().items() if name != "num_nodes"}


def _read(file: FilePath) -> MeshGraph | None:
    if not file.is_file():
        return None
    try:
        parts = load_file(file)
        file.touch()  # used just now
        return MeshGraph(num_nodes=len(parts["area"]), **parts)
    except (OSError, SafetensorError, KeyError) as error:
        log.warning("%s: cannot be read (%s); the mesh is prepared again", file, error)
        return None


def _make_room(place: FilePath, newest: FilePath) -> None:
    """Remove what was not used for the longest time."""
    files = sorted(place.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0

    for file in files:
        total += file.stat().st_size
        if total > LARGEST_FOLDER and file != newest:
            file.unlink(missing_ok=True)
