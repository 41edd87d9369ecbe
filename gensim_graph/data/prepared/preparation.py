"""Preparation of a store for training from sources of any kind and size; it may be interrupted at any time."""

import logging
from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
from filelock import FileLock, Timeout

from gensim_graph.data.prepared.prepared_files import StoreFiles, is_prepared
from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.data.prepared.record_moments import RecordMoments
from gensim_graph.data.prepared.shard_writer import journal_name
from gensim_graph.data.prepared.source_runs import SourceList
from gensim_graph.data.prepared.store_plan import plan_store
from gensim_graph.data.prepared.work_pool import WorkPool, begin_server
from gensim_graph.errors import InputError
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.system import check_space
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable, default_variables

log = logging.getLogger(__name__)


def prepare(
    sources: Source | Sequence[Source],
    out: Path,
    mesh: Mesh | None = None,
    *,
    variables: VariableTable | None = None,
    precision: str = "float32",
    lead_times: Sequence[np.timedelta64] = (np.timedelta64(12, "h"),),
    skip_gaps: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> FilePath:
    """Write a store for training from an archive of any size, a few records at a time.

    Repeat the call to continue an interrupted preparation: the store gets the same bytes. Repeat it with more sources
    to add them to a finished store.

    Args:
        sources: files, folders, patterns or datasets, as for :func:`~gensim_graph.open_store`. Files whose times
            continue those of another one are joined to one trajectory.
        out: folder of the store, ``*.zarr``.
        mesh: mesh of the store; fields on another mesh of the same domain are remapped, area-weighted. By default the
            mesh of the first source.
        variables: the variable table; the default table by default.
        precision: ``float32``, ``float16``, or ``bits:N`` to keep N binary digits (1 to 22) of each value.
        lead_times: lead times for which the statistics of the residual are computed.
        skip_gaps: leave out times with missing values (NaN) and pairs across gaps in time, which are errors otherwise.
        workers: number of processes. With several, a script calls this below ``if __name__ == "__main__":``.
        progress: show a progress bar.

    Returns:
        The path of the store.

    Raises:
        InputError: sources that cannot be used, options that differ from those of the store, or a path that holds
            something else.
        OSError: the disk is full or cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import PreparedTrajectories, cyclone_trajectories, prepare
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = prepare(cyclone_trajectories("test"), f"{folder}/store.zarr", progress=False)
        ...     data = PreparedTrajectories.open(out, gg.default_variables(), np.timedelta64(12, "h"))
        ...     pair = data.read(trajectory=0, start=5)
        >>> data.n_trajectories, data.n_starts, pair.state.shape
        (1, 29, (2640, 6))
    """
    target = FilePath(out)
    if target.exists() and not is_prepared(target):
        raise InputError(f"{target}: exists and is no prepared store; choose another place with --out")

    if workers > 1:
        begin_server()

    files = StoreFiles(target)
    check_space(target)
    layout, listed, chosen = plan_store(
        sources, files, mesh, variables or default_variables(), precision, lead_times, skip_gaps
    )
    if chosen is None:
        log.info("%s: holds all of these sources already", target)
        return target

    _begin(files, layout, chosen)
    try:
        with FileLock(files.lock, timeout=0):
            _fill(files, layout, listed, chosen, workers, progress)
    except Timeout:
        raise InputError(f"{target}: is being prepared by another process; wait until it has finished") from None

    return target


def _begin(files: StoreFiles, layout: RecordLayout, mesh: Mesh) -> None:
    """Create the store, or make room in a finished one."""
    if not files.path.exists():
        files.create(layout, mesh)
    elif files.layout(finished=False) is None:
        files.journal.mkdir(exist_ok=True)
        files.write_layout(layout, finished=False)

    files.write_shape(layout)


def _fill(
    files: StoreFiles, layout: RecordLayout, listed: SourceList, mesh: Mesh, workers: int, progress: bool
) -> None:
    """Write what is missing, and declare the store whole."""
    finished = files.layout(finished=True)
    first = finished.n_shards if finished else 0
    WorkPool(files, layout, listed.sources, mesh, workers, progress).fill(range(first, layout.n_shards))

    parts = [RecordMoments.load(files.journal / journal_name(shard)) for shard in range(first, layout.n_shards)]
    if finished:
        parts.insert(0, files.moments(finished))
    RecordMoments.joined(parts).save(files.path / "moments.safetensors")

    files.write_layout(layout, finished=True)
    files.clear_preparation()
