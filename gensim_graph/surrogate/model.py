"""Forecasts of a trained model, from datasets to datasets.

Read :meth:`Surrogate.rollout` first (step by step), then :meth:`Surrogate.forecast` (the whole forecast in memory).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch
import xarray as xr

from gensim_graph.data import Forcing
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate.forecast_dataset import join_starts, join_steps, step_dataset, with_mesh
from gensim_graph.surrogate.model_inputs import complete_forcing, initial_state
from gensim_graph.surrogate.saving import ModelParts, load_model, save_model
from gensim_graph.surrogate.shipped import model_folder
from gensim_graph.surrogate.step_model import StepModel
from gensim_graph.typing import Float, Path, Tensor
from gensim_graph.variables import Variable


@dataclass
class Surrogate(StepModel):
    """A trained model of the sea ice.

    Its attributes and the single step are those of :class:`~gensim_graph.surrogate.step_model.StepModel`.

    Example:
        >>> import gensim_graph as gg
        >>> model = gg.Surrogate.load("small")
        >>> print(model.lead_time)
        43200 seconds
        >>> [variable.name for _, variable in model.forecast_variables]
        ['sit', 'sic', 'sid', 'siu', 'siv', 'snt']
    """

    @property
    def forecast_variables(self) -> list[tuple[int, Variable]]:
        """Channel and variable of everything that the model forecasts: the state variables of the training data."""
        present = self.normaliser.statistics.present(self.normaliser.table.state).tolist()
        return [(channel, one) for channel, one in enumerate(self.normaliser.table.state) if present[channel]]

    def first_state(self, initial: xr.Dataset) -> Float[Tensor, "face state"]:
        """Return the initial state of a forecast, in the order of the model's channels.

        Raises:
            InputError: a state variable is missing, or there are several times.
        """
        return initial_state(initial, self.normaliser)

    def drivers(
        self, forcing: xr.Dataset | Forcing, mesh: Mesh, starts: Iterable[np.datetime64], steps: int
    ) -> Forcing:
        """Return the forcing of a forecast: on its mesh, with all variables that the model needs, at all its times.

        Args:
            forcing: a dataset, or forcing opened from files.
            mesh: mesh of the forecast.
            starts: initial times.
            steps: number of steps after each of them.

        Raises:
            InputError: a variable is missing, the forcing is on another mesh, or it has no values at one of the times.
        """
        found = complete_forcing(forcing, mesh, self.normaliser)
        for start in starts:
            found.check(start + np.arange(steps + 1) * self.lead_time)

        return found

    def rollout(
        self,
        initial: xr.Dataset,
        forcing: xr.Dataset | Forcing,
        steps: int,
        members: int = 16,
        seed: int = 0,
        batch: int = 8,
        mesh: Mesh | None = None,
    ) -> Iterator[xr.Dataset]:
        """Forecast step by step; only one step is in memory.

        Args:
            initial: state at one time: a dataset from :func:`~gensim_graph.open_store`, ``.isel(time=...)``.
            forcing: at the initial time and at every step after it, on the same mesh: a dataset, or files of any size
                opened with :func:`~gensim_graph.data.open_forcing`.
            steps: number of steps.
            members: ensemble members; the deterministic twin has one.
            seed: of the noise. A member does not depend on the number of members or on ``batch``, up to rounding.
            batch: members computed together.
            mesh: mesh of ``initial``, to save reading it from the dataset.

        Yields:
            Dataset (member, face) with coordinates lead_time and valid_time, from lead 0 (the initial state) on.

        Raises:
            InputError: a state variable is missing, ``initial`` has several times, or the forcing does not cover the
                forecast or is on another mesh.
        """
        mesh = mesh or mesh_from_dataset(initial)
        count = 1 if self.deterministic else members
        state = self.first_state(initial).expand(count, -1, -1)
        start = np.atleast_1d(initial["time"].values)[0]
        drivers = self.drivers(forcing, mesh, [start], steps)

        plan = self.plan(mesh)
        yield step_dataset(state, self.forecast_variables, start, 0 * self.lead_time)

        for step in range(steps):
            time = start + step * self.lead_time
            parts = []

            for first in range(0, count, batch):
                chosen = range(first, min(first + batch, count))
                some = state[chosen.start : chosen.stop].to(self.device)
                parts.append(self.advance(some, drivers, time, step, chosen, seed, plan).cpu())

            state = torch.cat(parts)
            yield step_dataset(state, self.forecast_variables, start, (step + 1) * self.lead_time)

    def forecast(
        self,
        initial: xr.Dataset,
        forcing: xr.Dataset | Forcing,
        steps: int,
        members: int = 16,
        seed: int = 0,
        batch: int = 8,
    ) -> xr.Dataset:
        """Ensemble forecast in memory.

        Args:
            initial: state at one time or at several; each of several times starts a forecast.
            forcing: as in :meth:`rollout`, for all starts.
            steps: number of steps.
            members: ensemble members; the deterministic twin has one.
            seed: of the noise, the same for all starts.
            batch: members computed together.

        Returns:
            Dataset (member, lead_time, face) with its mesh; (start, member, lead_time, face) for several times.

        Raises:
            InputError: as in :meth:`rollout`.

        Example:
            >>> import gensim_graph as gg
            >>> from gensim_graph.data import cyclone_trajectories
            >>> data = gg.open_store(cyclone_trajectories("test")[0])
            >>> model = gg.Surrogate.load("small")
            >>> forecast = model.forecast(data.isel(time=8), forcing=data, steps=1, members=2)
            >>> forecast["sit"].dims, forecast["sit"].shape
            (('member', 'lead_time', 'face'), (2, 2, 2640))
        """
        mesh = mesh_from_dataset(initial)
        times = initial["time"]
        states = [initial] if times.ndim == 0 else [initial.isel(time=index) for index in range(len(times))]

        runs = [self.rollout(state, forcing, steps, members, seed, batch, mesh) for state in states]
        forecasts = [join_steps(run) for run in runs]

        return with_mesh(forecasts[0] if times.ndim == 0 else join_starts(forecasts, times.values), mesh)

    def save(self, folder: Path) -> None:
        """Write weights and description of the model into a folder; :meth:`load` reads it.

        Each file is replaced as a whole; a failure leaves the old one.

        Example:
            >>> import tempfile
            >>> import gensim_graph as gg
            >>> model = gg.Surrogate.load("small")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(folder)
            ...     again = gg.Surrogate.load(folder)
            >>> again.operator.config == model.operator.config
            True
        """
        parts = ModelParts(self.operator, self.normaliser, self.sampler, self.deterministic, self.information)
        save_model(parts, FilePath(folder))

    @classmethod
    def load(cls, folder: Path) -> "Surrogate":
        """Read a saved surrogate.

        Args:
            folder: of the model, or the name of a model that ships (``small``).

        Raises:
            InputError: the folder holds no model, a file is truncated or of another program, or the format version is
                another one.

        Example:
            >>> import gensim_graph as gg
            >>> gg.Surrogate.load("small").operator.n_parameters
            988056
        """
        return cls(*load_model(model_folder(folder)))
