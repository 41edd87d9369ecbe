"""Names, units and means of other programs: from the variables of a file to those of the variable table.

Read :mod:`~gensim_graph.io.names.field_names` first: it finds the variables by the names in
:mod:`~gensim_graph.io.names.name_table` and says in one line what it did. It uses
:mod:`~gensim_graph.io.names.field_values` (units and flags), :mod:`~gensim_graph.io.names.unit_spelling` (units in any
spelling) and :mod:`~gensim_graph.io.names.humidity`.
"""

from gensim_graph.io.names.field_names import (
    find_name,
    known_fields,
    known_names,
    list_known_names,
    log_left_out,
    with_known_names,
)
from gensim_graph.io.names.field_values import refuse_without_unit
from gensim_graph.io.names.name_table import reading, variables_to_read
from gensim_graph.io.names.unit_spelling import conversion, parse_unit

__all__ = [
    "conversion",
    "find_name",
    "known_fields",
    "known_names",
    "list_known_names",
    "log_left_out",
    "parse_unit",
    "reading",
    "refuse_without_unit",
    "variables_to_read",
    "with_known_names",
]
