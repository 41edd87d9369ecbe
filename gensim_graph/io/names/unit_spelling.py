"""Units of files in any spelling, as the factor and offset to SI units.

A file says ``m s-1``, ``m/s``, ``meter second-1`` or ``m s**-1`` for the same unit. The few units that fields of sea
ice and of the air come in are parsed here: pint does not read the udunits form ``m s-1``, and cf-units needs the
compiled library udunits2, which pip installs on some systems only.
"""

import re
from dataclasses import dataclass

_LENGTH, _TIME, _MASS, _HEAT = {"m": 1}, {"s": 1}, {"kg": 1}, {"K": 1}
_PRESSURE = {"kg": 1, "m": -1, "s": -2}

_BASE = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), (1.0, _LENGTH)),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), (1000.0, _LENGTH)),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), (0.01, _LENGTH)),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), (0.001, _LENGTH)),
    **dict.fromkeys(("dm", "decimeter", "decimetre"), (0.1, _LENGTH)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), (1.0, _TIME)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (60.0, _TIME)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), (3600.0, _TIME)),
    **dict.fromkeys(("d", "day", "days"), (86_400.0, _TIME)),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), (1.0, _MASS)),
    **dict.fromkeys(("g", "gram", "grams"), (0.001, _MASS)),
    **dict.fromkeys(("K", "k", "kelvin", "kelvins", "degK", "deg_K", "degree", "degrees"), (1.0, _HEAT)),
    **dict.fromkeys(("Pa", "pascal", "Pascal"), (1.0, _PRESSURE)),
    **dict.fromkeys(("hPa", "mbar", "millibar", "millibars"), (100.0, _PRESSURE)),
    **dict.fromkeys(("kt", "knot", "knots"), (1852.0 / 3600.0, {"m": 1, "s": -1})),
}
"""Name of a unit -> its factor to SI, and the powers of the SI units in it."""

_PERCENT = {"%", "percent", "per cent", "per_cent", "pct", "percentage"}
_FRACTIONS = {"", "1", "-", "--", "~", "fraction", "none", "unitless", "dimensionless", "nondimensional", "nd", "ratio",
              "non-dimensional", "no units", "decimal fraction", "fractional"}  # fmt: skip
_ONE_RANGE = re.compile(r"[\[(]?\s*0(\.0*)?\s*(-|to|\.\.|,)\s*(?P<top>1|100)(\.0*)?\s*[\])]?")
_CELSIUS = {"c", "°c", "degc", "deg c", "deg_c", "degree_c", "degrees_c", "degree c", "degrees c", "celsius", "celcius",
            "degree_celsius", "degrees_celsius", "degree celsius", "degrees celsius", "deg celsius", "oc"}  # fmt: skip
_FAHRENHEIT = {"f", "degf", "fahrenheit", "degree_fahrenheit", "degrees_fahrenheit"}

_TOKEN = re.compile(r"\s*(?:(?P<sign>[/*.·]|per\b)|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
                    r"|(?P<name>[A-Za-z_]+)(?:\^?\{?(?P<power>[+-]?\d+)\}?)?)")  # fmt: skip


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
        >>> parse_unit("cm s**-1") == parse_unit("cm/s"), parse_unit("%").factor, parse_unit("furlong")
        (True, 0.01, None)
    """
    plain = " ".join(str(text).replace("**", "^").replace("−", "-").split())
    lower = plain.lower()
    span = _ONE_RANGE.fullmatch(lower)

    if lower in ("degree", "degrees"):  # alone they may be angles; degree days, with a time, are temperatures
        return None
    if lower in _PERCENT or (span and span["top"] == "100"):
        return Unit(0.01, 0.0, ())
    if lower in _FRACTIONS or span:
        return Unit(1.0, 0.0, ())
    if lower in _CELSIUS:
        return Unit(1.0, 273.15, (("K", 1),))
    if lower in _FAHRENHEIT:
        return Unit(5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0, (("K", 1),))

    return _product(plain)


def _product(text: str) -> Unit | None:
    """Parse a product of powers such as ``0.01 m s-1``; after a stroke, one name is divided by."""
    powers: dict[str, int] = {}
    factor, position, sign = 1.0, 0, 1

    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()

        if token["sign"]:
            sign = -1 if token["sign"] in ("/", "per") else 1
            continue
        if token["number"]:
            factor *= float(token["number"]) ** sign
        else:
            scale, parts = _BASE.get(token["name"], _BASE.get(token["name"].lower(), (0.0, {})))
            if scale == 0.0:
                return None
            power = sign * int(token["power"] or 1)
            factor *= scale**power
            for name, count in parts.items():
                powers[name] = powers.get(name, 0) + power * count
        sign = 1

    return Unit(factor, 0.0, tuple(sorted((name, power) for name, power in powers.items() if power)))


def conversion(unit: object, wanted: str) -> tuple[float, float] | None:
    """Return factor and offset from one unit to another; None if a unit is unknown or they do not fit together.

    Args:
        unit: unit in the file.
        wanted: unit of the result.
    """
    source, target = parse_unit(unit), parse_unit(wanted)
    if source is None or target is None or source.powers != target.powers:
        return None

    return _round(source.factor / target.factor), (source.offset - target.offset) / target.factor


def _round(factor: float) -> float:
    """Remove the last bits of a quotient, so that equal units have the factor 1."""
    return float(f"{factor:.14g}")
