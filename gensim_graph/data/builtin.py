"""The data that ships: neXtSIM trajectories of an idealised cyclone in a 512 km box.

The files are in ``meshes/cyclone_512km``, with a README on their origin. Only ``split.yaml`` in that folder decides
which trajectories are for training and which for testing.
"""

from pathlib import Path
from typing import Literal

import yaml

from gensim_graph.system import resource

Split = Literal["train", "test", "zero_shot"]


def cyclone_meshes() -> dict[str, Path]:
    """Return the meshes of the box: name (``box_16km_a``) and gmsh file, in alphabetical order.

    Raises:
        FileNotFoundError: the installation lacks the data.

    Example:
        >>> from gensim_graph.data import cyclone_meshes
        >>> list(cyclone_meshes())
        ['box_16km_a', 'box_16km_b', 'box_16km_d', 'box_8km_a']
    """
    return {path.stem: path for path in sorted(resource("meshes", "cyclone_512km").glob("*.msh"))}


def cyclone_trajectories(split: Split) -> list[Path]:
    """Return the netCDF files (UGRID topology) of one part of the built-in trajectories.

    Args:
        split: ``train``, ``test`` (16 km, held back from training) or ``zero_shot`` (8 km, a resolution that the
            training data do not have).

    Raises:
        KeyError: there is no such split.
        FileNotFoundError: the installation lacks the data.

    Example:
        >>> from gensim_graph.data import cyclone_trajectories
        >>> [path.name for path in cyclone_trajectories("test")]
        ['cyclone_16km_04.nc']
    """
    splits: dict[str, list[str]] = yaml.safe_load(resource("meshes", "cyclone_512km", "split.yaml").read_text())
    return [resource("meshes", "cyclone_512km", name) for name in splits[split]]
