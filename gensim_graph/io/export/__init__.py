"""Export: write fields to files that other tools open (netCDF, zarr, ParaView).

A field travels from :class:`~gensim_graph.io.fields.Fields` to a file in these steps, a few records at a time:

1. ``Fields`` reads the values from a dataset and checks them.
2. A layout converts them to the values of the file. :mod:`~gensim_graph.io.export.placement` defines the layouts for a
   mesh: the own mesh of the fields, longitude and latitude, another mesh.
   :mod:`~gensim_graph.io.export.regrid` defines the layout for a grid;
   :mod:`~gensim_graph.io.export.target_grid` finds the cells of the grid, and
   :mod:`~gensim_graph.io.export.grid_coordinates` makes the coordinates of a new one.
3. :mod:`~gensim_graph.io.export.storage` creates the netCDF file or zarr store and takes the values.
   :mod:`~gensim_graph.io.export.paraview` writes one file of :mod:`~gensim_graph.io.export.vtu` for each record.

Read :mod:`~gensim_graph.io.export.output` first: it holds :func:`write_dataset`, which connects the steps.
"""

from gensim_graph.io.export.output import choose_layout, write_dataset
from gensim_graph.io.export.placement import FieldValues, on_other_mesh
from gensim_graph.io.export.vtu import VtuField, write_vtu

__all__ = ["FieldValues", "VtuField", "choose_layout", "on_other_mesh", "write_dataset", "write_vtu"]
