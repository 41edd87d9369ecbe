"""The surrogate: an operator with everything it needs to forecast. xarray in, xarray out."""

from gensim_graph.surrogate.model import Surrogate

__all__ = ["Surrogate"]
