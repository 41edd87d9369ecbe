"""Forecasts that are not finite are errors, found without waiting for a GPU at every step.

The processor would have to wait until a step is done to look at its state. It therefore only asks the GPU to look, and
reads the answers when it waits anyway: when a state is written.
"""

import numpy as np
import torch

from gensim_graph.errors import InputError
from gensim_graph.typing import Bool, Float, Tensor


class FiniteWatch:
    """Looks at the states of a forecast, and reports the first one that is not finite.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from gensim_graph.surrogate import FiniteWatch
        >>> watch, start = FiniteWatch(), np.datetime64("2000-01-01")
        >>> for step, value in enumerate((1.0, float("nan"), 2.0)):
        ...     watch.look(torch.full((1, 4, 6), value), start + step, step)
        >>> watch.check()
        Traceback (most recent call last):
        gensim_graph.errors.InputError: the forecast from 2000-01-02T00:00 on (step 2) is not finite; check the ...
    """

    def __init__(self) -> None:
        self._answers: list[tuple[np.datetime64, int, Bool[Tensor, ""]]] = []

    def look(self, state: Float[Tensor, "batch face state"], time: np.datetime64, step: int) -> None:
        """Ask the device if a state is finite.

        Args:
            state: after the step.
            time: valid time at the start of the step.
            step: number of steps before it.
        """
        self._answers.append((time, step, torch.isfinite(state).all()))

    def check(self) -> None:
        """Read the answers.

        Raises:
            InputError: a state was not finite; the message names the first of them.
        """
        if not self._answers:
            return

        answers = torch.stack([answer for _, _, answer in self._answers]).tolist()
        for (time, step, _), is_finite in zip(self._answers, answers, strict=True):
            if not is_finite:
                raise not_finite(time, step)

        self._answers.clear()


def check_finite(state: Float[Tensor, "batch face state"], time: np.datetime64, step: int) -> None:
    """Check a state in the memory of the processor.

    Args:
        state: after the step.
        time: valid time at the start of the step.
        step: number of steps before it.

    Raises:
        InputError: it is not finite.
    """
    if not np.isfinite(state.numpy()).all():
        raise not_finite(time, step)


def not_finite(time: np.datetime64, step: int) -> InputError:
    """Return the error for a state that is not finite.

    Args:
        time: valid time at the start of the step.
        step: number of steps before it.
    """
    return InputError(
        f"the forecast from {np.datetime_as_string(time, 'm')} on (step {step + 1}) is not finite; check the initial "
        "state and the forcing for values far from those that the model was trained on"
    )
