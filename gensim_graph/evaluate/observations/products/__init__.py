"""Products of observations as they are in their files, brought to one form.

Read ``product_reader`` first. It uses ``product_periods`` (the time that a record stands for), ``product_flags``
(values that are no observations), ``product_errors``, ``product_cells`` (the cells near the mesh of a forecast),
``displacements`` and ``ice_thickness``. ``own_layout`` reads fields on the mesh of a forecast, with gaps.
"""

from gensim_graph.evaluate.observations.products.own_layout import is_own_layout, read_own_layout
from gensim_graph.evaluate.observations.products.product_cells import ProductCells
from gensim_graph.evaluate.observations.products.product_reader import ProductReader, is_product

__all__ = ["ProductCells", "ProductReader", "is_own_layout", "is_product", "read_own_layout"]
