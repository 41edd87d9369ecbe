"""The records of one member of an ensemble, such as a weather forecast with a dimension ``number``."""

from collections.abc import Collection

from gensim_graph.io.export import FieldValues
from gensim_graph.io.records import Records
from gensim_graph.typing import Array


class MemberRecords:
    """The records of one member of an ensemble: a view, which shares the open file with the other members.

    Args:
        records: of the ensemble.
        member: number of the member.

    Attributes:
        name, source, times, names: as in :class:`Records`.
        member: number of the member in ``source``.
    """

    n_members = 1

    def __init__(self, records: Records, member: int) -> None:
        self.member, self._records = member, records
        self.name, self.source, self.times, self.names = records.name, records.source, records.times, records.names

    def read(self, index: int, faces: Array | None = None, names: Collection[str] | None = None) -> FieldValues:
        """Read one record of the member, see :meth:`Records.read`.

        Args:
            index: number of the record.
            faces: (n,) numbers of the faces; None for all.
            names: variables to read; None for all.
        """
        return self._records.read(index, faces, names, self.member)

    def close(self) -> None:
        """Close the file, see :meth:`Records.close`."""
        self._records.close()
