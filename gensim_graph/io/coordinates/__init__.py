"""Coordinates of the cells of a dataset, whatever their names, units and dimensions.

Read :mod:`~gensim_graph.io.coordinates.cell_centres` first; it uses
:mod:`~gensim_graph.io.coordinates.repeated_records` where a file repeats its coordinates at each time.
:mod:`~gensim_graph.io.coordinates.members` finds the dimension of ensembles.
"""

from gensim_graph.io.coordinates.cell_centres import (
    Coordinates,
    find_coordinates,
    find_points,
    is_angle,
    is_latitude,
    is_lattice_of,
    names_of_coordinates,
)
from gensim_graph.io.coordinates.coordinate_units import in_metres_or_degrees, in_unknown_unit
from gensim_graph.io.coordinates.members import TRAJECTORY, with_trajectories
from gensim_graph.io.coordinates.repeated_records import (
    first_record,
    first_with_values,
    is_record_dim,
    is_same_in_all,
    without_records,
)

__all__ = [
    "TRAJECTORY",
    "Coordinates",
    "find_coordinates",
    "find_points",
    "first_record",
    "first_with_values",
    "in_metres_or_degrees",
    "in_unknown_unit",
    "is_angle",
    "is_latitude",
    "is_lattice_of",
    "is_record_dim",
    "is_same_in_all",
    "names_of_coordinates",
    "with_trajectories",
    "without_records",
]
