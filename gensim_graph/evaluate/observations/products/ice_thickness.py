"""Thickness of the ice alone, as altimeters and SMOS give it; the model's ``sit`` is the volume per area.

With a concentration in the same product, the thickness is multiplied by it; without one, the forecast is brought to the
thickness of its ice (:attr:`~gensim_graph.evaluate.observations.observed.ObservedProduct.is_over_ice`).
"""

import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.products.product_errors import error_of
from gensim_graph.io.names import conversion

_NAMES = (
    *("analysis_sea_ice_thickness", "analysis_ice_thickness", "analysis_thickness"),  # CS2SMOS
    *("sea_ice_thickness", "ice_thickness", "sithick", "sithic", "SIT", "sit_over_ice"),
)


def find_ice_thickness(ds: xr.Dataset) -> str | None:
    """Return the name of the thickness over the ice of a product; None if it has none."""
    return next((name for name in _NAMES if name in ds.data_vars and not _is_over_cell(ds[name])), None)


def _is_over_cell(thickness: xr.DataArray) -> bool:
    """Return True if a thickness is said to be a mean over the whole cell, as ``sit`` is."""
    methods = str(thickness.attrs.get("cell_methods", ""))
    return "where sea)" in methods + ")" or ("area: mean" in methods and "where" not in methods)


def with_volume(ds: xr.Dataset, name: str, concentration: xr.DataArray | None) -> xr.Dataset:
    """Replace the thickness over the ice by ``sit``: the volume per area, or the same thickness without concentration.

    The standard deviation of its error, if the product has it, becomes ``sit_unc``.

    Args:
        ds: the product.
        name: the thickness over the ice.
        concentration: fraction; None if the product has none.

    Raises:
        InputError: its unit is no length.
    """
    kept = {key: ds[name].attrs[key] for key in ("ancillary_variables", "grid_mapping") if key in ds[name].attrs}
    error = error_of(ds, name, "m")
    share = xr.ones_like(ds[name]) if concentration is None else concentration
    volume = (_in_metres(ds[name]) * share).transpose(*ds[name].dims)
    fields = {"sit": volume.assign_attrs(kept, units="m")}

    if error is not None:
        fields["sit_unc"] = (error * share).assign_attrs(units="m")

    return ds.drop_vars(name).assign(fields)


def _in_metres(thickness: xr.DataArray) -> xr.DataArray:
    unit = thickness.attrs.get("units", "m")
    change = conversion(unit, "m")
    if change is None:
        raise InputError(f"the thickness '{thickness.name}' is in '{unit}'; expected a length such as m")
    return thickness * change[0]
