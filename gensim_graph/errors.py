"""Errors that speak to the user.

Everything a user can get wrong raises :class:`InputError` *before* the expensive part starts, with what was
expected, what came and what to do. The command line prints the message without a traceback and exits with 2.
"""


class InputError(ValueError):
    """Wrong input: a file, a variable, a unit, an option. The message says what to do about it."""
