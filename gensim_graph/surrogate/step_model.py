"""One step of a trained model, in tensors: from the state now to the state one lead time later.

:class:`~gensim_graph.surrogate.Surrogate` makes forecasts of it, from datasets to datasets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from gensim_graph.data import Forcing, Normaliser
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, member_noise, noise_generator, sample
from gensim_graph.graph import cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan, Operator, Prepared, compile_network
from gensim_graph.surrogate.mirror_image import (
    Mirroring,
    hemisphere_of,
    mirrored_mesh,
    mirrored_vectors,
    needs_mirror,
    report_hemisphere,
)
from gensim_graph.surrogate.observed_steps import Guide
from gensim_graph.surrogate.possible_states import Conserving, StateRules, is_closed
from gensim_graph.surrogate.step_base import StepBase, step_transport
from gensim_graph.surrogate.stepping import DeviceDrivers, RecentDrivers, check_finite, frozen_weights, step_settings
from gensim_graph.system import Replay
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_HOUR

Precision = Literal["float32", "bf16"]
Model = TypeVar("Model", bound="StepModel")


@dataclass
class StepModel:
    """A network, and the statistics and the sampler with which it makes one step.

    Attributes:
        operator: the network.
        normaliser: variable table and statistics of the training data.
        sampler: integration of the flow in one step.
        deterministic: True for the deterministic twin: one evaluation without noise gives the residual.
        information: notes of the training (steps, data, ...) by key, free text; ``hemisphere`` is that of the data.
        mirror: ``auto`` forecasts a mesh in the other hemisphere than the training data in its mirror image, where the
            Coriolis force turns the drift as the model has learned it; ``always`` and ``never`` do what they say.
        conserve: ``auto`` keeps the volume of ice and snow in a closed domain if the model has no sources: if it is
            driven by vectors such as the wind alone. ``always`` keeps it on any mesh, ``never`` on none.
        name: of the folder that the model was read from; forecasts carry it.
    """

    operator: Operator
    normaliser: Normaliser
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    deterministic: bool = False
    information: dict[str, object] = field(default_factory=dict)
    mirror: Mirroring = field(default="auto", compare=False)
    conserve: Conserving = field(default="auto", compare=False)
    name: str = field(default="unnamed", compare=False)
    _velocity: Callable[[Tensor, Tensor, Prepared], Tensor] | None = field(default=None, repr=False, compare=False)
    _precision: Precision = field(default="float32", repr=False, compare=False)
    _replay: Replay | None = field(default=None, repr=False, compare=False)
    _recent: RecentDrivers = field(default_factory=RecentDrivers, repr=False, compare=False)

    @property
    def device(self) -> torch.device:
        """Device that computes the steps."""
        return self.normaliser.device

    @property
    def precision(self) -> Precision:
        """Precision of the products in the network."""
        return self._precision

    @property
    def lead_time(self) -> np.timedelta64:
        """Length of one step."""
        return np.timedelta64(round(self.normaliser.statistics.lead_hours * SECONDS_PER_HOUR), "s")

    def to(self: Model, device: torch.device | str, precision: Precision = "float32") -> Model:
        """Move the model to another device, or compute in another precision; a GPU records. Returns the model itself.

        Args:
            device: such as ``cuda``. Datasets still come in and go out in the memory of the CPU.
            precision: of the products in the network, ``float32`` or ``bf16``. States stay in float32.
        """
        self.operator = self.operator.to(device)
        self.normaliser = self.normaliser.to(torch.device(device))
        self._precision = precision
        return self.record(self.device.type == "cuda")

    def record(self: Model, wanted: bool = True) -> Model:
        """Record a step on a GPU, and replay it later: the same numbers, sooner. Returns the model itself.

        Args:
            wanted: False starts the kernels of every step one by one, see ``system.replay``.
        """
        self._replay = Replay() if wanted else None
        return self

    def compile(self: Model, replay: bool = True, **options: Any) -> Model:
        """Compile the network (torch.compile) at the first evaluation with a number of members on a mesh.

        Compiling takes minutes, and pays in long runs only. Returns the model itself.

        Args:
            replay: on a GPU, record a step and replay it later, see :meth:`record`.
            options: of ``torch.compile``. With a ``mode``, which may record for itself, nothing is recorded here.
        """
        _, self._velocity = compile_network(self.operator, self.device, **options)
        return self.record(replay and "mode" not in options)

    def is_mirrored_on(self, mesh: Mesh) -> bool:
        """Return True if steps on this mesh are computed in its mirror image."""
        return needs_mirror(self.mirror, self.information.get("hemisphere"), hemisphere_of(mesh))

    def plan(self, mesh: Mesh) -> GraphPlan:
        """Prepare the tables that all steps on a mesh share; call it once for a forecast.

        One line in the log says if the steps are computed in the mirror image of the mesh.
        """
        self.operator.eval()
        is_mirrored = self.is_mirrored_on(mesh)
        report_hemisphere(self.mirror, self.information.get("hemisphere"), hemisphere_of(mesh), is_mirrored)

        seen = mirrored_mesh(mesh) if is_mirrored else mesh
        plan = self.operator.plan(cached_graph(seen).to(self.device))
        transport = step_transport(self.normaliser, seen)

        return replace(plan, is_mirrored=is_mirrored, is_closed=is_closed(mesh), transport=transport)

    def conserves_on(self, plan: GraphPlan) -> bool:
        """Return True if a step on a plan keeps the totals of the conserved variables."""
        return self.conserve == "always" or (
            self.conserve == "auto" and plan.is_closed and not self.normaliser.has_sources
        )

    def to_frame(self, plan: GraphPlan, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Bring the inputs of a step to the frame of a plan, mirrored where the plan is.

        Args:
            plan: from :meth:`plan`.
            inputs: state, forcing, next forcing and slow inputs, as in :meth:`step`.
        """
        if not plan.is_mirrored:
            return inputs

        table = self.normaliser.table
        layouts = (table.state, table.forcing, table.forcing, table.slow)
        return tuple(mirrored_vectors(values, layout) for values, layout in zip(inputs, layouts, strict=True))

    def from_frame(
        self, plan: GraphPlan, state: Float[Tensor, "batch face state"]
    ) -> Float[Tensor, "batch face state"]:
        """Bring a state from the frame of a plan back to that of the mesh.

        Args:
            plan: from :meth:`plan`.
            state: in the frame of the plan.
        """
        return mirrored_vectors(state, self.normaliser.table.state) if plan.is_mirrored else state

    def step(
        self,
        state: Float[Tensor, "batch face state"],
        forcing: Float[Tensor, "*batch face forcing"],
        next_forcing: Float[Tensor, "*batch face forcing"],
        slow: Float[Tensor, "*batch face slow"],
        plan: GraphPlan,
        generators: list[torch.Generator],
        guide: Guide | None = None,
    ) -> Float[Tensor, "batch face state"]:
        """Compute the state one lead time later.

        Args:
            state: now, in the units of the variable table; vectors along the axes of the mesh plane.
            forcing: now; the same for all members, or with a first dimension of members.
            next_forcing: one lead time later.
            slow: slowly varying inputs, now.
            plan: from :meth:`plan`, for the mesh.
            generators: of the noise, one for each member.
            guide: pulls the flow towards observations; None for a free step.

        Raises:
            InputError: a guide, and the model is a deterministic twin.
        """
        inputs = [state, forcing, next_forcing, slow]
        if guide is not None:
            return self._guided_step(plan, guide, [*inputs, *self._noise(state, generators)])

        with torch.inference_mode():  # the noise too: a compiler makes other code for other kinds of tensors
            return self._free_step(plan, [*inputs, *self._noise(state, generators)])

    def _noise(self, state: Tensor, generators: list[torch.Generator]) -> list[Tensor]:
        return [] if self.deterministic else [member_noise(generators, state.shape[1:], self.device)]

    def _guided_step(self, plan: GraphPlan, guide: Guide, inputs: list[Tensor]) -> Tensor:
        """Compute a step with the backward passes through the network that a guide needs."""
        if self.deterministic:
            raise InputError("a deterministic twin has no flow that observations could guide")
        if self.sampler.evaluations == 1:
            raise InputError(f"{self.name}: one evaluation leaves no way to guide; take its flow, or method letkf")

        with torch.no_grad(), frozen_weights(self.operator):
            # Clones, because what an earlier step computed cannot be differentiated.
            return self._next_state(plan, *(one.clone() for one in inputs), guide=guide)

    def _free_step(self, plan: GraphPlan, inputs: list[Tensor]) -> Tensor:
        compute = partial(self._next_state, plan)
        if self._replay is None or not self._replay.applies_to(self.device):
            return compute(*inputs)

        fixed = (plan, self.operator, self.normaliser, self._velocity)
        settings = step_settings(self.operator, self._precision, self.sampler, self.deterministic, self.conserve)
        return self._replay(compute, inputs, fixed, settings)

    def _next_state(
        self,
        plan: GraphPlan,
        state: Tensor,
        forcing: Tensor,
        next_forcing: Tensor,
        slow: Tensor,
        *noise: Tensor,
        guide: Guide | None = None,
    ) -> Tensor:
        """Compute a step from tensors alone, all on the device: nothing here may wait for a GPU.

        Args:
            plan: from :meth:`plan`.
            state, forcing, next_forcing, slow: as in :meth:`step`.
            noise: of each member; none for the deterministic twin.
            guide: as in :meth:`step`.
        """
        state, *others = self.to_frame(plan, state, forcing, next_forcing, slow)
        shared = [values.expand(len(state), -1, -1) for values in others]
        base = self.base(plan, state, *shared[:2])
        evaluate = self._velocity or self.operator.velocity

        with self._autocast():
            prepared = self.operator.prepare(self.normaliser.conditions(state, *shared), plan)

        def velocity(noised: Tensor, flow_time: float) -> Tensor:
            with self._autocast():
                return evaluate(noised, noised.new_full((len(noised),), flow_time), prepared).float()

        if not noise:
            return self._possible(plan, base, velocity(torch.zeros_like(state), 0.0))

        if guide is None:
            bounds = base.bounds if self.sampler.steps > 1 else None  # the end of the only step is clipped anyway
            return self._possible(plan, base, sample(velocity, noise[0], self.sampler, bounds))

        # Observations change the drift, and with it the bounds, until the end.
        pulled = guide(base, velocity, partial(self.from_frame, plan))
        end = sample(pulled, noise[0], self.sampler, base.bounds, bounds_every=1)
        return self._possible(plan, base, end, conserve=self.conserve == "always")

    def base(
        self,
        plan: GraphPlan,
        state: Float[Tensor, "batch face state"],
        forcing: Float[Tensor, "batch face forcing"],
        next_forcing: Float[Tensor, "batch face forcing"],
    ) -> StepBase:
        """Return the base of a step, see :class:`StepBase`.

        Args:
            plan: from :meth:`plan`.
            state: now, in the frame of the plan.
            forcing: now.
            next_forcing: one lead time later.
        """
        expected = self.normaliser.expected(state, forcing, next_forcing)
        return StepBase(self.normaliser, plan.transport, state, expected)

    def _possible(self, plan: GraphPlan, base: StepBase, residual: Tensor, conserve: bool | None = None) -> Tensor:
        """The next state that can exist, in the frame of the mesh.

        Args:
            plan: from :meth:`plan`.
            base: of the step.
            residual: normalised residual.
            conserve: keep the totals of the conserved variables; None decides by the mesh.
        """
        table = self.normaliser.table.state
        advanced, area = base.next_state(residual), plan.graph.area
        # What is present is known on the processor: no waiting for a GPU.
        rules = StateRules(table, self.normaliser.statistics.present(table).tolist())
        keeps = self.conserves_on(plan) if conserve is None else conserve
        return self.from_frame(plan, rules.applied(advanced, base.state, area, keeps))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._precision == "bf16")

    def advance(
        self,
        state: Float[Tensor, "batch face state"],
        forcing: Forcing,
        time: np.datetime64,
        step: int,
        members: range,
        seed: int,
        plan: GraphPlan,
        guide: Guide | None = None,
    ) -> Float[Tensor, "batch face state"]:
        """Compute one step of some members of a forecast.

        The noise depends on seed, member and step only, so a member is the same in any batch and on any machine. The
        processor does not wait for a GPU: who copies a state from there checks it, see ``FiniteWatch``.

        Args:
            state: of these members at ``time``, as in :meth:`step`, on the device of the model.
            forcing: of ``Surrogate.drivers``; read at ``time`` and one lead time later.
            time: valid time of ``state``.
            step: number of steps that are done.
            members: numbers of the members.
            seed: of the forecast.
            plan: from :meth:`plan`, for the mesh.
            guide: as in :meth:`step`.

        Raises:
            InputError: the forcing has no values at one of the two times, they cannot be read, or the new state is not
                finite, on a processor.
        """
        now, then = (self.drivers_at(forcing, one, members) for one in (time, time + self.lead_time))
        generators = [noise_generator(seed, member, step) for member in members]

        advanced = self.step(state, now.forcing, then.forcing, now.slow, plan, generators, guide)
        if self.device.type == "cpu":
            check_finite(advanced, time, step)
        return advanced

    def drivers_at(self, forcing: Forcing, time: np.datetime64, members: range = range(1)) -> DeviceDrivers:
        """Return the forcing at a time, on the device of the model; the last two records are kept.

        Args:
            forcing: that is read.
            time: valid time.
            members: numbers of the members.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        return self._recent.at(forcing, time, members, self.device)
