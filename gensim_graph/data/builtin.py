"""The data that ships: neXtSIM trajectories of an idealised cyclone in a 512 km box.

They live in ``meshes/cyclone_512km`` with a README on their origin. ``split.yaml`` there says which trajectories may be
trained on; nothing else in the package decides that.
"""

from pathlib import Path
from typing import Literal

import yaml

from gensim_graph.system import resource

Split = Literal["train", "test", "zero_shot"]


def cyclone_meshes() -> dict[str, Path]:
    """Meshes of the box, name (``box_16km_a``) to gmsh file, in alphabetical order.

    Raises:
        FileNotFoundError: the installation lacks the data.
    """
    return {path.stem: path for path in sorted(resource("meshes", "cyclone_512km").glob("*.msh"))}


def cyclone_trajectories(split: Split) -> list[Path]:
    """Trajectories of one part of the built-in data, as netCDF files with UGRID topology.

    Args:
        split: ``train``, ``test`` (16 km, never trained on) or ``zero_shot`` (8 km, a resolution that training on
            the built-in data does not see).

    Raises:
        KeyError: there is no such split.
        FileNotFoundError: the installation lacks the data.
    """
    splits: dict[str, list[str]] = yaml.safe_load(resource("meshes", "cyclone_512km", "split.yaml").read_text())
    return [resource("meshes", "cyclone_512km", name) for name in splits[split]]
