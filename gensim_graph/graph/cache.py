"""Cache of the graphs of large meshes on disk, so that a mesh is prepared once and not again in every run."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gensim_graph.graph.graph_builder import build_graph
from gensim_graph.graph.mesh_graph import MeshGraph
from gensim_graph.mesh import Mesh
from gensim_graph.system import cache_folder, write_atomically
from gensim_graph.typing import Path, Tensor

log = logging.getLogger(__name__)

SMALLEST = 50_000
"""Number of faces below which preparing a mesh is faster than reading its graph."""

LARGEST_FOLDER = 10 * 2**30
"""Size of the folder in bytes above which the graphs that were not used for the longest time are removed."""

_VERSION = 1
"""Raise this number when the preparation changes: graphs of another version are then not found."""


def cached_graph(
    mesh: Mesh, level: int = 0, *, folder: Path | None = None, smallest: int = SMALLEST, **options: Any
) -> MeshGraph:
    """Return the graph of a mesh, from the cache if it has been prepared before.

    A file that cannot be read is written again. If the folder cannot be written to, a warning is logged.

    Args:
        mesh: the mesh; its hash and the options are the key of the cache.
        level: coarsening level.
        folder: folder of the cache; None takes :func:`~gensim_graph.system.resources.cache_folder`.
        smallest: number of faces; smaller meshes are not cached.
        options: keyword arguments of :func:`~gensim_graph.graph.build_graph`.

    Returns:
        The same graph as ``build_graph``.

    Raises:
        InputError: as ``build_graph``.
    """
    if mesh.n_faces < smallest:
        return build_graph(mesh, level, **options)

    tensors = cached_tensors(
        f"{_key(mesh, level, options)}.safetensors", lambda: _tensors(build_graph(mesh, level, **options)), folder
    )
    return MeshGraph(**tensors)


def cached_tensors(
    name: str, build: Callable[[], dict[str, Tensor]], folder: Path | None = None, shared: bool = False
) -> dict[str, Tensor]:
    """Return tensors from a file of the cache, or compute and keep them.

    Tensors from a file are views of it, so processes that read the same file share its memory.

    Args:
        name: name of the file; it must say everything that the tensors depend on.
        build: computes the tensors.
        folder: folder of the cache; None takes :func:`~gensim_graph.system.resources.cache_folder`.
        shared: read the tensors from their file even if this call computed them.
    """
    directory = FilePath(folder) if folder is not None else cache_folder()
    file = directory / name
    cached = _read(file)
    if cached is not None:
        return cached

    tensors = build()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda path: save_file(tensors, path))
        _limit_size(directory, newest=file)
    except OSError as error:
        log.warning("the prepared mesh is not kept (%s); set GENSIM_GRAPH_CACHE to a folder that can be written", error)
        return tensors

    return (_read(file) if shared else None) or tensors


def _key(mesh: Mesh, level: int, options: dict[str, Any]) -> str:
    text = json.dumps([_VERSION, mesh.hash, level, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _tensors(graph: MeshGraph) -> dict[str, Any]:
    return {name: value.contiguous() for name, value in graph.to_dict().items()}


def _read(file: FilePath) -> dict[str, Tensor] | None:
    """Read tensors; None if there is no file or it cannot be read."""
    if not file.is_file():
        return None

    try:
        tensors = load_file(file)
        if "area" not in tensors:
            raise SafetensorError("it holds no graph")
        file.touch()  # its modification time says when it was last used
        return tensors
    except (OSError, SafetensorError) as error:
        log.warning("%s: cannot be read (%s); the mesh is prepared again", file, error)
        return None


def _limit_size(directory: FilePath, newest: FilePath) -> None:
    """Remove the graphs that were not used for the longest time, until the folder is below its largest size."""
    files = sorted(directory.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0

    for file in files:
        total += file.stat().st_size
        if total > LARGEST_FOLDER and file != newest:
            file.unlink(missing_ok=True)
