"""Errors that speak to the user.

Everything a user can get wrong raises :class:`InputError` *before* the expensive part starts, with what was
expected, what came and what to do. The command line prints the message without a traceback and exits with 2.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class InputError(ValueError):
    """Wrong input: a file, a variable, a unit, an option. The message says what to do about it."""


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Put a file or variable before the message of every :class:`InputError` that is raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is right, and what is expected, in words."""


def check_values(group: object, prefix: str, rules: Mapping[str, Rule]) -> None:
    """Check the fields of a configuration group.

    Args:
        group: the object whose attributes are checked.
        prefix: name of the group in the configuration.
        rules: field -> (whether a value is right, what is expected in words).

    Raises:
        InputError: names the key, what was expected and what came.
    """
    for name, (is_right, expected) in rules.items():
        came = getattr(group, name)
        try:
            right = is_right(came)
        except TypeError:  # not even a number
            right = False

        if not right:
            raise InputError(f"{prefix}.{name}: expected {expected}; came {came!r}")


def at_least(least: int) -> Rule:
    """Rule of a finite number that is not below another."""
    return lambda came: math.isfinite(came) and came >= least, f"a number of {least} or more"


POSITIVE: Rule = (
    lambda came: math.isfinite(came) and came > 0,
    "a finite number above 0",
)
"""Rule of a rate, a length."""
