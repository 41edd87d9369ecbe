"""Deformation rates of the ice: divergence, shear and total deformation of its drift, on the native faces.

Divergence e_I, shear e_II and total deformation sqrt(e_I^2 + e_II^2), all in 1/day
(:func:`gensim_graph.mesh.operators.strain.compute_deformation`; Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501).
"""

from typing import Literal

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY


def total_deformation(mesh: Mesh, u: Array, v: Array) -> Array:
    """Compute the total deformation of a drift on faces.

    Args:
        mesh: the mesh.
        u: (..., F) x component in m/s along the axes of the plane.
        v: (..., F) y component.

    Returns:
        (..., F) in 1/day.
    """
    return compute_deformation(mesh, u, v).total * SECONDS_PER_DAY


def deformation(dataset: xr.Dataset, mesh: Mesh | None = None) -> xr.Dataset:
    """Compute divergence, shear and total deformation of the drift of a forecast or a truth, on faces.

    Args:
        dataset: ``siu`` and ``siv`` in m/s with a dimension ``face`` or ``node``; other dimensions are kept.
        mesh: by default the mesh in the dataset.

    Returns:
        Variables ``divergence``, ``shear`` and ``total_deformation``, (..., face) in 1/day.

    Raises:
        InputError: a velocity component is missing.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import deformation
        >>> truth = gg.open_store(cyclone_trajectories("test")[0]).isel(time=[0, 8])
        >>> rates = deformation(truth)
        >>> list(rates), rates["shear"].dims, rates["shear"].attrs["units"]
        (['divergence', 'shear', 'total_deformation'], ('time', 'face'), 'day-1')
        >>> bool((rates["shear"] >= 0).all())
        True
    """
    for name in ("siu", "siv"):
        if name not in dataset:
            raise InputError(
                f"deformation needs the drift; variable '{name}' is missing, the dataset has {list(dataset.data_vars)}"
            )

    location: Literal["node", "face"] = "node" if "node" in dataset["siu"].dims else "face"
    u = dataset["siu"].transpose(..., location)
    v = dataset["siv"].transpose(*u.dims)
    rates = compute_deformation(mesh or mesh_from_dataset(dataset), u.values, v.values, location)

    dims = (*u.dims[:-1], "face")
    fields = {
        "divergence": (rates.divergence, "divergence of the ice drift"),
        "shear": (rates.shear, "shear rate of the ice drift"),
        "total_deformation": (rates.total, "total deformation rate of the ice drift"),
    }
    variables = {
        name: (dims, rate * SECONDS_PER_DAY, {"long_name": meaning, "units": "day-1"})
        for name, (rate, meaning) in fields.items()
    }
    kept = {name: coord for name, coord in u.coords.items() if not {*coord.dims} & {"node", "face"}}

    return xr.Dataset(variables, coords=kept)
