"""Precision in which the values of a prepared store are kept, and the error that it makes.

``float32`` keeps all bits. ``bits:N`` rounds to N binary digits after the leading one, and is compressed. ``float16``
halves the size; the values of each variable are divided by a power of two, so that none overflows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numcodecs import BitRound

from gensim_graph.errors import InputError
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

_LARGEST = 2.0**15
"""Scaled values are kept below this; the largest number of float16 is 65504."""

_MOST_BITS = 23
"""Binary digits of float32 after the leading one."""


@dataclass(frozen=True)
class StoredPrecision:
    """Precision of stored values.

    Attributes:
        name: ``float32``, ``float16`` or ``bits:N``.

    Raises:
        InputError: another name, or a number of digits that is not from 1 to 22.

    Example:
        >>> import numpy as np
        >>> from gensim_graph.data.prepared import StoredPrecision
        >>> values = np.array([0.0, 0.3, 1.0], dtype=np.float32)
        >>> StoredPrecision("bits:3").rounded(values, None).tolist()
        [0.0, 0.3125, 1.0]
    """

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name in ("float32", "float16"):
            return

        kind, _, digits = self.name.partition(":")
        if kind != "bits" or not digits.isdecimal() or not 0 < int(digits) < _MOST_BITS:
            raise InputError(
                f"precision: expected float32, float16 or bits:N with N from 1 to {_MOST_BITS - 1}; came '{self.name}'"
            )

    @property
    def dtype(self) -> str:
        """Type of the stored numbers."""
        return "float16" if self.name == "float16" else "float32"

    @property
    def is_exact(self) -> bool:
        """True if float32 values come back as they were."""
        return self.name == "float32"

    @property
    def is_compressed(self) -> bool:
        """True if compression saves enough room to be worth the time that it takes a sample: for ``bits:N``."""
        return self.name.startswith("bits")

    def scale(self, variable: Variable) -> float:
        """Return the power of two by which the values of a variable are divided; 1 unless the precision is float16."""
        largest = max(map(abs, variable.range))
        if self.name != "float16" or not math.isfinite(largest) or largest == 0:
            return 1.0

        return 2.0 ** math.ceil(math.log2(largest / _LARGEST))

    def rounded(self, values: Array, variable: Variable | None) -> Array:
        """Return values as they are read back, float32.

        Args:
            values: (...) float32.
            variable: their variable, which sets the scale; None for the scale 1.

        Raises:
            InputError: a value is too large for float16.
        """
        if self.is_exact:
            return values
        if self.dtype == "float32":
            encoded = BitRound(int(self.name.partition(":")[2])).encode(values)
            return np.asarray(encoded).view(np.float32).reshape(values.shape)

        scale = np.float32(1.0 if variable is None else self.scale(variable))
        with np.errstate(over="ignore"):
            stored = (values / scale).astype(np.float16)

        if np.isinf(stored).any():
            name = "a variable" if variable is None else f"'{variable.name}'"
            raise InputError(f"precision float16: {name} reaches {np.abs(values).max():.4g}, too large; take bits:10")

        return stored.astype(np.float32) * scale
