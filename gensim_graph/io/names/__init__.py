"""Names, units and means of other programs: from the variables of a file to those of the variable table.

Read :mod:`~gensim_graph.io.names.field_names` first: it finds the variables by the table
``configs/variables/names.yaml`` and says in one line what it did. It uses
:mod:`~gensim_graph.io.names.field_values` (units and flags), :mod:`~gensim_graph.io.names.unit_spelling` (units in any
spelling) and :mod:`~gensim_graph.io.names.humidity`.
"""

from gensim_graph.io.names.field_names import (
    known_fields,
    known_names,
    list_known_names,
    log_left_out,
    with_known_names,
)
from gensim_graph.io.names.unit_spelling import conversion, parse_unit

__all__ = [
    "conversion",
    "known_fields",
    "known_names",
    "list_known_names",
    "log_left_out",
    "parse_unit",
    "with_known_names",
]
