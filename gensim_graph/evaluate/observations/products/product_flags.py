"""Values that a product itself marks as not observed: land, interpolated, rejected.

Products mark them in two ways: by a variable of flags beside the field (CF: ``flag_values`` or ``flag_masks`` and
``flag_meanings``), or by numbers outside the range of the field (NSIDC: 2.51 is the hole at the pole).
"""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

_REJECTED = re.compile(
    r"(?:^|_)(?:land|lakes?|coast|coastal|missing|no_?data|no_input\w*|invalid|fill|unclassified|unprocessed|failed|"
    r"rejected|outside|hole|no_ice|unused|bad|interp\w*)(?:_|$)"
)
"""Words in the meaning of a flag, after which a value was not observed where it lies."""

_KEPT = re.compile(r"spill|filter|mask_applied|nominal")
"""Words of corrections; the value stays an observation."""

_NSIDC = {2.51: "pole hole", 2.52: "lakes", 2.53: "coast", 2.54: "land", 2.55: "missing"}
"""Numbers in a concentration of NSIDC that are no concentrations; they are 251 to 255 in the file."""


@dataclass(frozen=True)
class FlaggedValues:
    """Values of a field that its product rejects.

    Attributes:
        rejected: True for such a value, dims of the field.
        meanings: meanings of the flags that reject some.
    """

    rejected: xr.DataArray
    meanings: tuple[str, ...]


def flagged_values(ds: xr.Dataset, name: str, is_fraction: bool = False) -> FlaggedValues:
    """Find the values of a field that the flags of its product reject.

    Args:
        ds: the product, with the names of the file.
        name: the field.
        is_fraction: True for a concentration, in which the numbers 2.51 to 2.55 of NSIDC stand for something else.
    """
    column = ds[name]
    rejected = xr.zeros_like(column, dtype=bool)
    meanings = []

    for meaning, mask in [*_numbers_outside(column, is_fraction), *_flags_beside(ds, column)]:
        if bool(mask.any()):
            rejected = rejected | mask
            meanings.append(meaning)

    return FlaggedValues(rejected.transpose(*column.dims), tuple(dict.fromkeys(meanings)))


def has_flags(ds: xr.Dataset, name: str) -> bool:
    """Return True if a product has flags for a field.

    Args:
        ds: the product, with the names of the file.
        name: the field.
    """
    return "flag_meanings" in ds[name].attrs or bool(_flag_names(ds, ds[name]))


def _numbers_outside(column: xr.DataArray, is_fraction: bool) -> list[tuple[str, xr.DataArray]]:
    """Numbers of the field itself that stand for something else."""
    scale = float(column.encoding.get("scale_factor", 1.0))
    offset = float(column.encoding.get("add_offset", 0.0))
    numbers = np.ravel(column.attrs.get("flag_values", [])).astype(np.float64) * scale + offset
    words = str(column.attrs.get("flag_meanings", "")).split()
    known = dict(zip(numbers.tolist(), words, strict=False))

    if not known and is_fraction and column.dtype.kind == "f":
        known = _NSIDC

    return [(word, abs(column - number) < 1e-4) for number, word in known.items()]


def _flags_beside(ds: xr.Dataset, column: xr.DataArray) -> list[tuple[str, xr.DataArray]]:
    """Flags in other variables that reject values."""
    found = []
    for name in _flag_names(ds, column):
        flags = ds[name].fillna(0).astype(np.int64)
        words = str(ds[name].attrs["flag_meanings"]).lower().replace("-", "_").split()
        values = [np.ravel(ds[name].attrs.get(key, [])).astype(np.int64) for key in ("flag_masks", "flag_values")]
        masks, numbers = values

        for index, word in enumerate(words):
            if not _REJECTED.search(word) or _KEPT.search(word):
                continue
            if index < len(numbers):
                bits = masks[index] if index < len(masks) else -1
                found.append((word, ((flags & bits) == numbers[index]) & ds[name].notnull()))
            elif index < len(masks):
                found.append((word, (flags & masks[index]) != 0))

    return found


def _flag_names(ds: xr.Dataset, column: xr.DataArray) -> list[str]:
    """Variables of flags of a field: those that it names, else those with the usual names."""
    named = str(column.attrs.get("ancillary_variables", "")).split()
    usual = [str(name) for name in ds.variables if re.search(r"status_flag|quality_flag|^qa_of", str(name))]
    names = [name for name in (named or usual) if name in ds.variables] or usual
    own = {str(dim) for dim in column.dims}

    return [name for name in names if "flag_meanings" in ds[name].attrs and set(map(str, ds[name].dims)) <= own]
