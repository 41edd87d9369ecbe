"""Errors for the user, and checks of configuration values.

Wrong input raises :class:`InputError` *before* the expensive part starts. The message says what was expected, what
came and what to do. The command line prints it without a traceback and exits with code 2.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class InputError(ValueError):
    """Wrong input: a file, a variable, a unit, an option. The message says what to do about it."""


class MissingValuesError(InputError):
    """Values are missing (NaN) where the data must have some."""


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Add the name of a file or variable in front of the message of every :class:`InputError` raised inside."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{what}: {error}") from None


Rule = tuple[Callable[[Any], bool], str]
"""Test of a value (True if it is right), and the description of the values that are expected."""


def check_values(group: object, prefix: str, rules: Mapping[str, Rule]) -> None:
    """Check the values of a configuration group.

    Args:
        group: object with the values as attributes.
        prefix: name of the group in the configuration.
        rules: attribute -> rule.

    Raises:
        InputError: a value is wrong; the message names the key, what was expected and what came.
    """
    for name, (is_right, expected) in rules.items():
        came = getattr(group, name)
        try:
            right = is_right(came)
        except TypeError:  # the value has another type, text in place of a number for instance
            right = False

        if not right:
            raise InputError(f"{prefix}.{name}: expected {expected}; came {came!r}")


def at_least(least: int) -> Rule:
    """Return the rule for a finite number of ``least`` or more."""
    return lambda came: math.isfinite(came) and came >= least, f"a number of {least} or more"


def check_count(name: str, came: object, least: int) -> int:
    """Return a number of things as an integer.

    Args:
        name: of the argument, for the message.
        came: the value; integers of NumPy are accepted, True and False are not.
        least: smallest number that is right.

    Raises:
        InputError: it is not a whole number, or below ``least``.

    Example:
        >>> from gensim_graph.errors import check_count
        >>> check_count("members", 16, least=1)
        16
    """
    try:
        number = operator.index(came)  # type: ignore[arg-type]
    except TypeError:
        number = None

    if number is None or isinstance(came, bool):
        raise InputError(f"{name}: expected a whole number; came {came!r}")
    if number < least:
        raise InputError(f"{name}: expected a number of {least} or more; came {came}")

    return number


def check_type(name: str, came: object, kind: type, advice: str) -> None:
    """Refuse an argument of another type, such as the name of a file in place of what it holds.

    Args:
        name: of the argument, for the message.
        came: the value.
        kind: the type that is expected.
        advice: what to do, for the message.

    Raises:
        InputError: the value has another type.
    """
    if not isinstance(came, kind):
        text = f" {came!r}" if isinstance(came, str) else ""
        raise InputError(f"{name}: expected a {kind.__name__}; came {type(came).__name__}{text}; {advice}")


POSITIVE: Rule = (
    lambda came: math.isfinite(came) and came > 0,
    "a finite number above 0",
)
"""Rule for rates and lengths."""
