"""Opening of netCDF and zarr files that may be damaged: clear errors instead of crashes, endless loops or huge arrays.

Start with :mod:`~gensim_graph.io.safe.content`, which recognises these files whatever they are called, then
:mod:`~gensim_graph.io.safe.datasets` (files as xarray datasets) and :mod:`~gensim_graph.io.safe.netcdf` (single
variables, groups). Both first check the file with :mod:`~gensim_graph.io.safe.netcdf_header`, which uses
:mod:`~gensim_graph.io.safe.hdf5_heaps` for netCDF-4.
"""

from gensim_graph.io.safe.content import DATASET_SUFFIXES, is_dataset, is_zarr, refuse_other_content
from gensim_graph.io.safe.datasets import opened_dataset
from gensim_graph.io.safe.netcdf import is_netcdf_with, opened, read_values

__all__ = [
    "DATASET_SUFFIXES",
    "is_dataset",
    "is_netcdf_with",
    "is_zarr",
    "opened",
    "opened_dataset",
    "read_values",
    "refuse_other_content",
]
