"""Units of files in any spelling, as the factor and offset to SI units.

A file says ``m s-1``, ``m/s``, ``meter second-1`` or ``m s**-1`` for the same unit. The library pint knows the units
and multiplies them; this module brings the spellings of udunits, ERA5, OSI SAF and of people into its form. Why pint:
``docs/decisions/0007-units.md``.
"""

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

_PERCENT = {"%", "percent", "per cent", "per_cent", "pct", "percentage"}
_FRACTIONS = {"", "1", "-", "--", "~", "fraction", "none", "unitless", "dimensionless", "nondimensional", "nd", "ratio",
              "non-dimensional", "no units", "no unit", "decimal fraction", "fractional", "proportion",
              "(1)", "[1]", "[-]", "(-)", "0 or 1"}  # fmt: skip
_ONE_RANGE = re.compile(r"[\[(]?\s*0(\.0*)?\s*(-|to|\.\.|,)\s*(?P<top>1|100)(\.0*)?\s*[\])]?")

_SPELLINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), plain)
    for pattern, plain in (
        (r"^c$|°\s*c\b|\boc\b|\bdeg(ree)?s?[ _]?c\b|\b(deg(ree)?s?[ _])?(celsius|celcius|centigrade)\b", "degC"),
        (r"^f$|°\s*f\b|\bdeg(ree)?s?[ _]?f\b|\b(deg(ree)?s?[ _])?fahrenheit\b", "degF"),
        (r"^k$|°\s*k\b|\bdeg(ree)?s?[ _]?k(elvin)?\b", "kelvin"),
        (r"\bdeg(ree)?s?[ _-]days?\b", "kelvin day"),  # degrees alone are angles
    )
)
_FACTOR = re.compile(r"(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)(?P<power>\^[+-]?\d{1,2})?[\s*·.]*(?P<rest>.*)")
_UDUNITS = re.compile(r"(?<=[^\W\d_])(?=[+-]?\d)")
"""Place of the missing sign of a power in ``m s-1`` and ``m2``."""

_PRODUCT = re.compile(r"(?:[^\W\d]+(?:\*\*[+-]?\d{1,2})?|[\s*/()])*")
"""Names with small powers. Other texts do not reach pint, which would compute numbers such as 9**9**9."""

_BASE = {"meter": "m", "second": "s", "kilogram": "kg", "kelvin": "K"}
"""Units in which fields of ice and air are measured. Angles, counts and bits have no dimension in pint, but are no
fractions."""

_EXTRAS = (
    "mb = 100 pascal = mbar = millibar = millibars",  # in pint a thousandth of a barn
    "gpm = meter = geopotential_meter",
)


@dataclass(frozen=True)
class Unit:
    """A unit as ``SI value = factor * value + offset``.

    Attributes:
        factor: to SI units.
        offset: in SI units; not zero for degrees Celsius and Fahrenheit only.
        powers: SI unit -> its power, without powers of 0.
    """

    factor: float
    offset: float
    powers: tuple[tuple[str, int], ...]

    @property
    def is_percent(self) -> bool:
        """True for hundredths of one."""
        return not self.powers and self.factor == 0.01


def parse_unit(text: object) -> Unit | None:
    """Return the unit that a text stands for; None if it is not known.

    Args:
        text: the attribute ``units`` of a file.

    Example:
        >>> from gensim_graph.io.names import parse_unit
        >>> parse_unit("cm s**-1") == parse_unit("cm/s"), parse_unit("%").factor, parse_unit("m of ice")
        (True, 0.01, None)
    """
    return _parse(" ".join(str(text).replace("−", "-").split()))


@lru_cache(maxsize=512)
def _parse(text: str) -> Unit | None:
    lower = text.lower()
    span = _ONE_RANGE.fullmatch(lower)

    if lower in _PERCENT or (span and span["top"] == "100"):
        return Unit(0.01, 0.0, ())
    if lower in _FRACTIONS or span:
        return Unit(1.0, 0.0, ())

    factor, product = _split_factor(text)
    for pattern, plain in _SPELLINGS:
        product = pattern.sub(plain, product)

    product = re.sub(r"\^\{?([+-]?\d+)\}?", r"**\1", product.replace("·", " ").replace(".", " "))
    product = _UDUNITS.sub("**", re.sub(r"\bper\b", "/", product))
    if not _PRODUCT.fullmatch(product) or len(product) > 80:
        return None

    found = _product(product) or _product(product.lower())
    if found is None or not 0.0 < factor * found.factor < math.inf:
        return None

    return Unit(factor * found.factor, factor * found.offset, found.powers)


def _split_factor(text: str) -> tuple[float, str]:
    """Split a leading number, as in ``0.01 m s-1`` and ``10^3 kg``, from the rest."""
    match = _FACTOR.fullmatch(text)
    if match is None:
        return 1.0, text

    number = float(match["number"]) ** int((match["power"] or "^1")[1:])
    rest = match["rest"]
    return number, f"dimensionless {rest}" if rest.startswith("/") else rest


def _product(text: str) -> Unit | None:
    """The unit of a product such as ``m s**-1``; None if it holds anything but lengths, times, masses and heat."""
    registry = _registry()
    try:
        unit = registry.parse_units(text.strip())
        zero = registry.Quantity(0.0, unit).to_base_units()
        one = registry.Quantity(1.0, unit).to_base_units()
        powers = {_BASE[name]: int(power) for name, power in one.unit_items() if power == int(power)}
    except Exception:  # pint raises its own, AssertionError, TypeError, tokenize.TokenError and others
        return None

    if len(powers) != len(one.unit_items()):  # a broken power
        return None

    offset = float(zero.magnitude)
    return Unit(_round(float(one.magnitude) - offset), offset, tuple(sorted(powers.items())))


@cache
def _registry() -> Any:
    """The units of pint; made when the first unit is parsed, as it takes a quarter of a second."""
    from pint import UnitRegistry

    registry: Any = UnitRegistry(on_redefinition="ignore", cache_folder=None)
    for extra in _EXTRAS:
        registry.define(extra)

    return registry


def conversion(unit: object, wanted: str) -> tuple[float, float] | None:
    """Return factor and offset from one unit to another; None if a unit is unknown or they do not fit together.

    Args:
        unit: unit in the file.
        wanted: unit of the result.
    """
    if str(unit).strip() == wanted:  # most files; pint is not imported for them
        return 1.0, 0.0

    source, target = parse_unit(unit), parse_unit(wanted)
    if source is None or target is None or source.powers != target.powers:
        return None

    return _round(source.factor / target.factor), (source.offset - target.offset) / target.factor


def _round(factor: float) -> float:
    """Remove the last bits of a quotient, so that equal units have the factor 1."""
    return float(f"{factor:.14g}")
