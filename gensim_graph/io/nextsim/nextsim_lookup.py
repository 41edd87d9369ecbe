"""Records of a neXtSIM file by their name: the values of one record, a vector on the nodes, a complete set."""

from collections.abc import Sequence

from gensim_graph.errors import InputError
from gensim_graph.io.nextsim.nextsim_records import Record
from gensim_graph.typing import Array


def record_values(records: Sequence[Record], name: str) -> Array | None:
    """Return the values (n,) of the record with a name, or None if there is no such record.

    Args:
        records: all records of a file.
        name: neXtSIM's name of the record.

    Raises:
        InputError: several records have this name.
    """
    found = [record.values for record in records if record.name == name]
    if len(found) > 1:
        raise InputError(f"{len(found)} records have the name '{name}'; expected one")

    return found[0] if found else None


def nodal_vector(records: Sequence[Record], name: str, n_nodes: int) -> Array | None:
    """Return a vector on the nodes, (N, 2), or None if there is no such record.

    neXtSIM stores the x components of all nodes, then all y components.

    Args:
        records: all records of a file.
        name: neXtSIM's name of the record.
        n_nodes: number N of nodes of the mesh.

    Raises:
        InputError: the record does not have 2 N values.
    """
    values = record_values(records, name)
    if values is None:
        return None
    if len(values) != 2 * n_nodes:
        raise InputError(f"'{name}' has {len(values)} values; the mesh has {n_nodes} nodes, expected twice as many")

    return values.reshape(2, -1).T


def check_records_complete(records: Sequence[Record], names: Sequence[str]) -> None:
    """Refuse a file that has some of the records that belong together, but not all of them.

    Args:
        records: all records of a file.
        names: names of the records that belong together.

    Raises:
        InputError: records are missing; the message names them.
    """
    present = {record.name for record in records}
    missing = [name for name in names if name not in present]

    if 0 < len(missing) < len(names):
        others = ", ".join(name for name in names if name in present)
        raise InputError(f"{', '.join(missing)} is missing, which neXtSIM writes with {others}; the file is damaged")
