"""Preparation of a store for training from sources of any kind and size; it may be interrupted at any time."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
from filelock import FileLock, Timeout

from gensim_graph.data.prepared.prepared_files import StoreFiles, is_prepared
from gensim_graph.data.prepared.record_layout import RecordLayout, choose_shard_records
from gensim_graph.data.prepared.record_moments import RecordMoments
from gensim_graph.data.prepared.rounding import StoredPrecision
from gensim_graph.data.prepared.shard_writer import journal_name
from gensim_graph.data.prepared.source_runs import SourceList, list_sources
from gensim_graph.data.prepared.work_pool import WorkPool
from gensim_graph.data.trajectories import lead_steps
from gensim_graph.errors import InputError
from gensim_graph.io import ArchiveFile, Source, expand
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


def plan_store(
    sources: Source | Sequence[Source],
    files: StoreFiles,
    mesh: Mesh | None,
    table: VariableTable,
    precision: str,
    lead_times: Sequence[np.timedelta64],
    skip_gaps: bool,
) -> tuple[RecordLayout, SourceList, Mesh | None]:
    """Plan a store, or the continuation of one.

    Args:
        sources: see :func:`prepare`.
        files: the store, which need not exist.
        mesh: see :func:`prepare`.
        table: the variable table.
        precision: see :func:`prepare`.
        lead_times: see :func:`prepare`.
        skip_gaps: see :func:`prepare`.

    Returns:
        The layout, the sources, and the mesh; None in place of the mesh if there is nothing to do.

    Raises:
        InputError: see :func:`prepare`.
    """
    StoredPrecision(precision)
    finished, begun = files.layout(finished=True), files.layout(finished=False)
    existing = begun or finished
    stored_mesh = files.mesh() if existing else None

    if mesh is not None and stored_mesh is not None and mesh.hash != stored_mesh.hash:
        raise InputError(
            f"{files.path}: is on another mesh ({stored_mesh.n_faces} faces) than the one given ({mesh.n_faces} "
            "faces); leave the mesh out, or choose another place with --out"
        )

    listed = list_sources(sources, mesh or stored_mesh, table, skip_gaps)
    chosen = mesh or stored_mesh or ArchiveFile(expand(sources)[0], None, table, _first_trajectory(listed)).mesh
    empty = _empty_layout(listed, chosen, table, precision, lead_times, skip_gaps)
    if existing is not None:
        _check_options(files, existing, empty)

    base = finished or (begun and _without_records(begun, empty)) or empty
    layout = base.with_runs(listed.pieces)

    if begun is not None and layout != begun:
        raise InputError(
            f"{files.path}: a preparation from other sources is not finished; give the same sources as when it began, "
            "then the others, or choose another place with --out"
        )

    return layout, listed, None if begun is None and layout == finished else chosen


def _first_trajectory(listed: SourceList) -> int | None:
    return listed.pieces[0].trajectory


def _empty_layout(
    listed: SourceList,
    mesh: Mesh,
    table: VariableTable,
    precision: str,
    lead_times: Sequence[np.timedelta64],
    skip_gaps: bool,
) -> RecordLayout:
    """Options of a store without records."""
    if not any(table[name].role == "state" for name in listed.names):
        expected = ", ".join(variable.name for variable in table.state)
        raise InputError(
            f"the sources have none of the state variables ({expected}); they have {', '.join(listed.names)}"
        )

    longest = max(len(piece.times) for piece in listed.pieces)
    record_bytes = mesh.n_faces * len(listed.names) * np.dtype(StoredPrecision(precision).dtype).itemsize
    two = listed.pieces[0].times[0] + np.arange(2**20) * listed.step
    leads = tuple(sorted({lead_steps(two, lead) for lead in lead_times}))

    return RecordLayout(
        mesh.hash,
        table.to_dict(),
        listed.names,
        mesh.n_faces,
        precision,
        int(listed.step / np.timedelta64(1, "ns")),
        leads,
        skip_gaps,
        choose_shard_records(record_bytes, longest),
    )


def _without_records(begun: RecordLayout, empty: RecordLayout) -> RecordLayout:
    """Options of a store that has begun; they decide, also where this release would choose otherwise."""
    return replace(begun, segments=())


def _check_options(files: StoreFiles, existing: RecordLayout, wanted: RecordLayout) -> None:
    """Refuse other options than those of the store."""
    rows = {
        "variables": (existing.names, wanted.names),
        "the time step": (existing.step, wanted.step),
        "--precision": (existing.precision, wanted.precision),
        "--lead-time, in records,": (existing.lead_steps, wanted.lead_steps),
        "--skip-gaps": (existing.skip_gaps, wanted.skip_gaps),
        "the variable table": (existing.variables, wanted.variables),
    }
    for what, (has, came) in rows.items():
        if has != came:
            shown = "" if what == "the variable table" else f": it has {has}, came {came}"
            raise InputError(f"{files.path}: was begun with another value of {what}{shown}; choose another --out")


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
    pool = WorkPool(files, layout, listed.sources, mesh, workers, progress)
    pool.write_shards(range(first, layout.n_shards))
    pool.warm_graphs()

    parts = [RecordMoments.load(files.journal / journal_name(shard)) for shard in range(first, layout.n_shards)]
    if finished:
        parts.insert(0, files.moments(finished))
    RecordMoments.joined(parts).save(files.path / "moments.safetensors")

    files.write_layout(layout, finished=True)
    files.clear_preparation()
