"""Conversion factors between units, and lengths of time written as text (``12h``)."""

import re

import pandas as pd

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86_400.0

KM_PER_METRE = 1e-3


def parse_duration(text: str) -> pd.Timedelta:
    """Convert text such as ``12h``, ``90min`` or ``1d`` to a length of time.

    Raises:
        ValueError: the text is not a length of time.

    Example:
        >>> from gensim_graph.units import parse_duration
        >>> parse_duration("1d") / parse_duration("90min")
        16.0
    """
    return pd.Timedelta(re.sub(r"(\d\s*)d$", r"\1D", text))  # pandas will stop accepting the lowercase d


def is_duration(text: str, zero: bool = False) -> bool:
    """Return True if ``text`` is a positive length of time.

    Args:
        text: such as ``12h``.
        zero: accept a length of zero too.
    """
    try:
        duration = parse_duration(text)
    except ValueError:
        return False

    none = pd.Timedelta(0)
    return bool(duration > none or (zero and duration == none))
