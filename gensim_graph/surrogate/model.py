"""Forecasts of a trained model, from datasets to datasets.

Read :meth:`Surrogate.rollout` first (step by step), then :meth:`Surrogate.forecast` (the whole forecast in memory).
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import numpy as np
import torch
import xarray as xr

from gensim_graph.data import Forcing
from gensim_graph.errors import InputError
from gensim_graph.io import as_state, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate.forecast_dataset import join_starts, join_steps, step_dataset, with_mesh
from gensim_graph.surrogate.forecast_origin import origin_of, provenance
from gensim_graph.surrogate.guard import DatasetGuard, guard_of
from gensim_graph.surrogate.model_inputs import (
    check_request,
    complete_forcing,
    count_members,
    initial_states,
    states_of_members,
)
from gensim_graph.surrogate.model_summary import describe
from gensim_graph.surrogate.observed_steps import ObservedSteps, StepTimes, steps_with
from gensim_graph.surrogate.saving import ModelParts, load_model, save_model
from gensim_graph.surrogate.shipped import model_folder
from gensim_graph.surrogate.step_bar import step_bar
from gensim_graph.surrogate.step_model import StepModel
from gensim_graph.surrogate.stepping import StepBudget, budget_variables, check_finite
from gensim_graph.typing import Float, Path, Tensor
from gensim_graph.variables import Variable

log = logging.getLogger(__name__)


@dataclass(repr=False)
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
            InputError: a state variable is missing, or there are several times or trajectories.
        """
        states = self.first_states(initial)
        if len(states) > 1:
            raise InputError(f"initial state: expected one, came {len(states)} trajectories; .isel(trajectory=0)")

        return states[0]

    def first_states(self, initial: xr.Dataset) -> Float[Tensor, "origin face state"]:
        """Return the states of the initial ensemble, one for each trajectory, in the order of the model's channels.

        Raises:
            InputError: a state variable is missing, or there are several times.
        """
        return initial_states(initial, self.normaliser)

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
        leads = np.arange(steps + 1) * self.lead_time
        times = np.concatenate([start + leads for start in starts])

        return complete_forcing(forcing, mesh, self.normaliser, times)

    def driven_by(self, forcing: Forcing) -> "Surrogate":
        """Return the model for forcing that may lack variables that some of the training data lacked.

        Args:
            forcing: from :meth:`drivers`.
        """
        table = self.normaliser.table
        needed = [one.name for one in (*table.forcing, *table.slow) if one.name in self.normaliser.statistics.values]
        absent = [name for name in needed if name not in forcing.names]
        if not absent:
            return self

        log.info("the forcing lacks %s; the model forecasts as it learned from data without them", ", ".join(absent))
        return replace(self, normaliser=self.normaliser.without(absent))

    def rollout(
        self,
        initial: xr.Dataset,
        forcing: xr.Dataset | Forcing,
        steps: int,
        members: int = 16,
        seed: int = 0,
        batch: int = 8,
        mesh: Mesh | None = None,
        guard: bool = True,
        observations: object | None = None,
        budget: bool = False,
    ) -> Iterator[xr.Dataset]:
        """Forecast step by step; only one step is in memory.

        Args:
            initial: state at one time: a dataset from :func:`~gensim_graph.open_store`, ``.isel(time=...)``, or any
                dataset that this function could read. With a dimension ``trajectory`` or ``member``, each member starts
                from its own state, in turn if there are more members than states.
            forcing: at the initial time and at every step after it, on the same mesh: a dataset, or files of any size
                opened with :func:`~gensim_graph.data.open_forcing`. With a dimension of members, each member is driven
                by its own weather, in turn.
            steps: number of steps.
            members: ensemble members; the deterministic twin has one for each initial state or weather.
            seed: of the noise. A member does not depend on the number of members or on ``batch``, up to rounding.
            batch: members computed together.
            mesh: mesh of the forecast. A dataset without a mesh is taken as values on its faces or nodes, an initial
                state on another mesh is remapped. By default the mesh of ``initial``.
            guard: compare states and forcing with the training data (:mod:`gensim_graph.surrogate.guard`): variables
                ``guard_...`` in the datasets, and a warning in the log before the forecast runs away. Models of earlier
                versions do not know the ranges of their data, and have no guard.
            observations: that the members are pulled towards (:class:`~gensim_graph.Observations`); with other settings
                an :class:`~gensim_graph.assimilate.Assimilation`.
            budget: add ``sit_transport`` and ``sit_source`` (m), and the same for the snow: the change in the last
                step by transport with the drift, and by sources. At lead time 0 they are NaN.

        Returns:
            Iterator over datasets (member, face) with coordinates lead_time and valid_time, from lead 0 (the initial
            state) on.

        Raises:
            InputError: a state variable or the mesh is missing, ``initial`` has several times, the forcing does not
                cover the forecast or is on another mesh, a number is out of its range, or a budget is asked of a
                model without drift.
        """
        check_request(steps, members, seed, batch)
        initial = as_state(initial, mesh, self.normaliser.table)
        mesh = mesh or mesh_from_dataset(initial)
        states = self.first_states(initial)
        start = np.atleast_1d(initial["time"].values)[0]
        drivers = self.drivers(forcing, mesh, [start], steps)
        count = count_members(members, len(states), self.deterministic, drivers.n_members)

        members_states = states_of_members(states, range(count))
        observed = None if observations is None else steps_with(observations)
        driven = self.driven_by(drivers)
        return driven._rollout(members_states, drivers, start, steps, seed, batch, mesh, guard, observed, budget)

    def _rollout(
        self,
        state: Float[Tensor, "member face state"],
        drivers: Forcing,
        start: np.datetime64,
        steps: int,
        seed: int,
        batch: int,
        mesh: Mesh,
        guard: bool,
        observed: ObservedSteps | None,
        budget: bool,
    ) -> Iterator[xr.Dataset]:
        plan = self.plan(mesh)
        batches = [range(first, min(first + batch, len(state))) for first in range(0, len(state), batch)]
        guards = DatasetGuard(guard_of(self.normaliser, mesh) if guard else None, batches)
        terms = StepBudget(self.normaliser, plan, mesh) if budget else None
        written = self.forecast_variables + (budget_variables(self.normaliser) if budget else [])

        for number, chosen in enumerate(batches):
            some = state[chosen.start : chosen.stop].to(self.device)
            guards.add(number, start, some, *self.drivers_at(drivers, start, chosen)[1:])
        shown = terms.beside(state, None).cpu() if terms else state
        yield step_dataset(shown, written, start, 0 * self.lead_time).assign(guards.variables())

        for step in range(steps):
            time = start + step * self.lead_time
            times = StepTimes(time, time + self.lead_time, step)
            parts = []

            for number, chosen in enumerate(batches):
                some = state[chosen.start : chosen.stop].to(self.device)
                guide = observed.guide(times, chosen, mesh, self.normaliser) if observed else None
                advanced = self.advance(some, drivers, time, step, chosen, seed, plan, guide)
                guards.add(number, times.end, advanced, *self.drivers_at(drivers, times.end, chosen)[1:])
                parts.append(advanced.cpu())
                check_finite(parts[-1], time, step)

            before, state, lead = state, torch.cat(parts), (step + 1) * self.lead_time
            if observed:
                state = observed.corrected(state.to(self.device), times, mesh, self.normaliser).cpu()
            shown = terms.beside_in_batches(state, before, batch) if terms else state
            yield step_dataset(shown, written, start, lead).assign(guards.variables())

    def forecast(
        self,
        initial: xr.Dataset,
        forcing: xr.Dataset | Forcing,
        steps: int,
        members: int = 16,
        seed: int = 0,
        batch: int = 8,
        mesh: Mesh | None = None,
        progress: bool = True,
        guard: bool = True,
        observations: object | None = None,
        budget: bool = False,
    ) -> xr.Dataset:
        """Ensemble forecast in memory.

        Args:
            initial: state at one time or at several; each of several times starts a forecast. Otherwise as in
                :meth:`rollout`.
            forcing: as in :meth:`rollout`, for all starts.
            steps: number of steps.
            members: ensemble members; the deterministic twin has one for each initial state or weather.
            seed: of the noise, the same for all starts.
            batch: members computed together.
            mesh: as in :meth:`rollout`.
            progress: show a progress bar, if the program runs on a terminal.
            guard: as in :meth:`rollout`.
            observations: as in :meth:`rollout`.
            budget: as in :meth:`rollout`.

        Returns:
            Dataset (member, lead_time, face) with its mesh, longitude and latitude of the faces, and its origin in the
            attributes; (start, member, lead_time, face) for several times.

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
            >>> forecast.attrs["model_name"], forecast["lat"].attrs["units"]
            ('small', 'degrees_north')
        """
        check_request(steps, members, seed, batch)
        initial = as_state(initial, mesh, self.normaliser.table)
        mesh = mesh or mesh_from_dataset(initial)
        times = initial["time"]
        states = [initial] if times.ndim == 0 else [initial.isel(time=index) for index in range(len(times))]
        drivers = self.drivers(forcing, mesh, np.atleast_1d(times.values), steps)

        driven = self.driven_by(drivers)  # once: it says what is absent
        with step_bar(steps * len(states), progress) as bar:
            given = (drivers, steps, members, seed, batch, mesh, guard, observations, budget)
            runs = [driven.rollout(state, *given) for state in states]
            forecasts = [join_steps(bar.counted(run)) for run in runs]

        joined = forecasts[0] if times.ndim == 0 else join_starts(forecasts, times.values)
        when = ", ".join(np.datetime_as_string(np.atleast_1d(times.values), "m"))
        attrs = provenance(self, f"{origin_of(initial)} at {when}", drivers.origin, seed, joined.sizes["member"])

        return with_mesh(joined, mesh).assign_attrs(attrs)

    def __repr__(self) -> str:
        """Return ten lines: what the model forecasts, what it needs, and where it comes from."""
        return describe(self)

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
        path = model_folder(folder)
        model = cls(*load_model(path))
        model.name = path.absolute().name

        return model
