"""Plan of a preparation: the sources are listed, and compared with what the store holds or was to hold."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gensim_graph.data.prepared.prepared_files import StoreFiles
from gensim_graph.data.prepared.record_layout import RecordLayout, choose_shard_records
from gensim_graph.data.prepared.source_runs import SourceList, list_sources
from gensim_graph.data.prepared.values import StoredPrecision
from gensim_graph.data.trajectories import lead_steps
from gensim_graph.errors import InputError
from gensim_graph.io import ArchiveFile, Source, expand
from gensim_graph.mesh import Mesh
from gensim_graph.variables import VariableTable, with_default_rules


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

    # The options of a store that has begun decide, also where this release would choose otherwise.
    base = finished or (begun and replace(begun, segments=())) or empty
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


def _check_options(files: StoreFiles, existing: RecordLayout, wanted: RecordLayout) -> None:
    """Refuse other options than those of the store."""
    rows = {
        "variables": (existing.names, wanted.names),
        "the time step": (existing.step, wanted.step),
        "--precision": (existing.precision, wanted.precision),
        "--lead-time, in records,": (existing.lead_steps, wanted.lead_steps),
        "--skip-gaps": (existing.skip_gaps, wanted.skip_gaps),
        "the variable table": (VariableTable.from_dict(with_default_rules(existing.variables)), wanted.table),
    }
    for what, (has, came) in rows.items():
        if has != came:
            shown = "" if what == "the variable table" else f": it has {has}, came {came}"
            raise InputError(f"{files.path}: was begun with another value of {what}{shown}; choose another --out")
