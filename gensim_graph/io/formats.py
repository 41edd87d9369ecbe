"""Files of other programs that :func:`~gensim_graph.open_store` understands, each turned into a UGRID dataset.

A format is one more row of ``FORMATS``; the first that recognises a path reads it. What none recognises is taken for
netCDF or zarr with a UGRID topology.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from gensim_graph.io.cf import is_gridded, read_gridded
from gensim_graph.io.fesom import is_fesom_output, read_fesom_output
from gensim_graph.io.gensim_zarr import is_gensim, read_gensim
from gensim_graph.io.moorings import is_moorings, read_moorings
from gensim_graph.io.nextsim import is_nextsim, read_nextsim
from gensim_graph.io.nextsimdg import is_nextsimdg, read_nextsimdg
from gensim_graph.mesh import Mesh


@dataclass(frozen=True)
class Format:
    """A kind of file or folder.

    Attributes:
        name: for messages.
        recognises: whether a path is one; it looks at names and a few attributes only, and never raises.
        read: path and target mesh (or None) -> dataset with a UGRID topology and variables of the variable table on
            (time, face) or (time, node), in SI units, vectors along the axes of the mesh; raises InputError. It may
            bring the fields onto the target mesh itself; otherwise ``open_store`` remaps them.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Mesh | None], xr.Dataset]


FORMATS: list[Format] = [
    Format("GenSIM's training data", is_gensim, read_gensim),
    Format("output of neXtSIM", is_nextsim, read_nextsim),
    Format("moorings of neXtSIM", is_moorings, read_moorings),
    Format("files of neXtSIM-DG", is_nextsimdg, read_nextsimdg),
    Format("output of FESOM 2", is_fesom_output, read_fesom_output),
    Format("trajectory of another program", is_gridded, read_gridded),
]
"""In the order in which they are tried."""


def find_format(path: Path) -> Format | None:
    """The format that recognises a path."""
    return next((one for one in FORMATS if one.recognises(path)), None)
