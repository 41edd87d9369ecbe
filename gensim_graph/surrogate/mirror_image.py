"""Hemispheres: a model of one of them forecasts the other in its mirror image.

The Coriolis force turns the drift to the right of the wind in the northern hemisphere, to the left in the southern. A
model learns one of the two. The equations of the ice do not change if the domain is reflected and the Coriolis
parameter changes its sign. The mirror image of a southern domain therefore obeys the physics of the north exactly:
reflect the mesh and all vectors, compute the step, reflect the drift back. A reflection of the y axis is enough,
because the network is equivariant to rotations.
"""

import logging
from typing import Literal

import numpy as np
import torch

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, reversed_faces
from gensim_graph.mesh.planes import lonlat, unproject
from gensim_graph.typing import Float, Tensor
from gensim_graph.variables import Variable, vector_pairs

log = logging.getLogger(__name__)

Hemisphere = Literal["north", "south", "both"]
"""Side of the equator on which a mesh lies; ``both`` for a mesh with a good part on each side."""

Mirroring = Literal["auto", "always", "never"]
"""When a model forecasts in the mirror image: ``auto`` if the mesh lies in the other hemisphere than the training."""

_ALMOST_ALL = 0.95  # of the area; a mesh of the Arctic may reach to the equator, and hardly across it

_SAMPLE = 10_000  # faces whose latitude is computed


def hemisphere_of(mesh: Mesh) -> Hemisphere | None:
    """Return the hemisphere of a mesh; None for an idealised plane, which lies nowhere on the Earth.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.surrogate import hemisphere_of
        >>> axis = 1e6 + np.arange(4) * 50e3
        >>> [hemisphere_of(gg.Mesh.from_grid(axis, axis, crs=crs)) for crs in ("EPSG:3413", "EPSG:3976", None)]
        ['north', 'south', None]
    """
    if mesh.crs is None or not mesh.crs.is_projected:
        return None

    some = slice(None, None, 1 + mesh.n_faces // _SAMPLE)
    latitude = lonlat(unproject(mesh.centres[some], mesh.crs))[1]
    share = float(mesh.areas[some][latitude < 0].sum() / mesh.areas[some].sum())
    if share > _ALMOST_ALL:
        return "south"

    return "north" if share < 1 - _ALMOST_ALL else "both"


def hemisphere_of_all(meshes: list[Mesh]) -> Hemisphere | None:
    """Return the hemisphere of several meshes; idealised planes do not count, and None means that all are such."""
    found = {hemisphere_of(mesh) for mesh in meshes} - {None}
    if len(found) > 1:
        return "both"
    return next(iter(found), None)


def needs_mirror(mirror: Mirroring, trained: object, here: Hemisphere | None) -> bool:
    """Return True if a model has to forecast in the mirror image of a mesh.

    Args:
        mirror: what the user wants.
        trained: hemisphere of the training data, None if it is not known.
        here: hemisphere of the mesh.

    Raises:
        InputError: ``mirror`` is none of the three words.
    """
    if mirror not in ("auto", "always", "never"):
        raise InputError(f"mirror: expected auto, always or never; came {mirror!r}")
    if mirror != "auto":
        return mirror == "always"

    return (trained, here) in (("north", "south"), ("south", "north"))


def report_hemisphere(mirror: Mirroring, trained: object, here: Hemisphere | None, is_mirrored: bool) -> None:
    """Log one line if steps are computed in the mirror image, or if the side of the drift is in doubt.

    Args:
        mirror: what the user wants.
        trained: hemisphere of the training data, None if it is not known.
        here: hemisphere of the mesh.
        is_mirrored: True if the steps are computed in the mirror image.
    """
    if is_mirrored:
        log.info("the steps are computed in the mirror image of the mesh, and the drift is turned back: the model "
                 "was trained on data of the hemisphere '%s', the mesh lies in '%s'", trained, here)  # fmt: skip
    elif here == "both" and trained in ("north", "south"):
        log.warning("the mesh lies on both hemispheres, the model was trained in the %s: the drift is turned to "
                    "the wrong side in the other one", trained)  # fmt: skip
    elif here == "south" and trained is None and mirror == "auto":
        log.warning("the mesh lies in the southern hemisphere, and that of the training data is not recorded; if "
                    "it was the northern one, set model.mirror = 'always' or --mirror always")  # fmt: skip


def mirrored_mesh(mesh: Mesh) -> Mesh:
    """Return the mirror image of a mesh, y -> -y, with faces and nodes in the same order, and without a crs."""
    return Mesh(mesh.nodes * np.array([1.0, -1.0]), reversed_faces(mesh.faces), mesh.boundaries)


def mirrored_vectors(
    values: Float[Tensor, "*rest variable"], variables: tuple[Variable, ...]
) -> Float[Tensor, "*rest variable"]:
    """Return fields with the y component of all vectors reversed.

    Args:
        values: (..., variable).
        variables: in the order of the channels.
    """
    reversed_channels = {y for _, y in vector_pairs(variables)}
    columns = [-one if channel in reversed_channels else one for channel, one in enumerate(values.unbind(-1))]
    return torch.stack(columns, dim=-1) if columns else values
