"""neXtSIM: read the output and restarts of its runs, and write files that it can read.

neXtSIM writes pairs of binary files: ``mesh_NAME`` with the triangles and ``field_NAME`` with the ice on them. Its mesh
moves with the ice and is rebuilt from time to time (*remeshing*). The modules, from the bytes of one file to a run:

1. :mod:`~gensim_graph.io.nextsim.nextsim_dat` and :mod:`~gensim_graph.io.nextsim.nextsim_records`: records in a file,
   and :mod:`~gensim_graph.io.nextsim.nextsim_lookup`: records by their name;
2. :mod:`~gensim_graph.io.nextsim.nextsim_pair`: the mesh of a pair, at the positions of the ice;
3. :mod:`~gensim_graph.io.nextsim.nextsim_fields`: records as variables of the variable table;
4. :mod:`~gensim_graph.io.nextsim.nextsim_snapshot`: mesh and variables at one time, and
   :mod:`~gensim_graph.io.nextsim.nextsim_run`: all times of a run, in order;
5. :mod:`~gensim_graph.io.nextsim.nextsim_fixed` (a run on one fixed mesh, as training needs it) and
   :mod:`~gensim_graph.io.nextsim.nextsim_moving` (a run on the moving mesh of the model, and the drift of its nodes);
6. :mod:`~gensim_graph.io.nextsim.nextsim_writer`: files for neXtSIM, with
   :mod:`~gensim_graph.io.nextsim.nextsim_state` and :mod:`~gensim_graph.io.nextsim.nextsim_restart`, which prepare the
   values.
"""

from gensim_graph.io.nextsim.nextsim_fixed import read_nextsim
from gensim_graph.io.nextsim.nextsim_moving import drift, open_moving
from gensim_graph.io.nextsim.nextsim_pair import is_pair, read_pair_mesh
from gensim_graph.io.nextsim.nextsim_run import is_nextsim, output_times
from gensim_graph.io.nextsim.nextsim_writer import write_output, write_restart

__all__ = [
    "drift",
    "is_nextsim",
    "is_pair",
    "open_moving",
    "output_times",
    "read_nextsim",
    "read_pair_mesh",
    "write_output",
    "write_restart",
]
