"""Coordinates of the cells of a dataset, whatever their names, units and dimensions.

Read :mod:`~gensim_graph.io.coordinates.cell_centres` first; it uses
:mod:`~gensim_graph.io.coordinates.repeated_records` where a file repeats its coordinates at each time.
"""

from gensim_graph.io.coordinates.cell_centres import (
    Coordinates,
    find_coordinates,
    in_metres_or_degrees,
    in_unknown_unit,
    is_angle,
    is_latitude,
    is_lattice_of,
)
from gensim_graph.io.coordinates.repeated_records import (
    first_record,
    is_record_dim,
    is_same_in_all,
    without_records,
)

__all__ = [
    "Coordinates",
    "find_coordinates",
    "first_record",
    "in_metres_or_degrees",
    "in_unknown_unit",
    "is_angle",
    "is_latitude",
    "is_lattice_of",
    "is_record_dim",
    "is_same_in_all",
    "without_records",
]
