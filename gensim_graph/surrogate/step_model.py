"""One step of a trained model, in tensors: from the state now to the state one lead time later.

:class:`~gensim_graph.surrogate.Surrogate` makes forecasts of it, from datasets to datasets.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from gensim_graph.data import Forcing, Normaliser
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, member_noise, sample
from gensim_graph.graph import cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan, Operator, Prepared, compile_network
from gensim_graph.surrogate.mirror_image import (
    Mirroring,
    hemisphere_of,
    mirrored_mesh,
    mirrored_vectors,
    needs_mirror,
)
from gensim_graph.surrogate.possible_states import Conserving, StateRules, is_closed
from gensim_graph.surrogate.step_base import StepBase
from gensim_graph.transport import StateTransport, plan_state_transport
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_HOUR

log = logging.getLogger(__name__)

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
        """Move the model to another device, or compute in another precision. Returns the model itself.

        Args:
            device: such as ``cuda``. Datasets still come in and go out in the memory of the CPU.
            precision: of the products in the network, ``float32`` or ``bf16``. States stay in float32.
        """
        self.operator = self.operator.to(device)
        self.normaliser = self.normaliser.to(torch.device(device))
        self._precision = precision
        return self

    def compile(self: Model, **options: Any) -> Model:
        """Compile the network (torch.compile, with its options) at the first evaluation on a mesh.

        Later evaluations on the same mesh with the same number of members use the compiled code. This pays on a GPU
        and in long runs; on a CPU, compiling takes minutes. Returns the model itself.
        """
        self._velocity = compile_network(self.operator.velocity, self.device, dynamic=False, fullgraph=True, **options)
        return self

    def is_mirrored_on(self, mesh: Mesh) -> bool:
        """Return True if steps on this mesh are computed in its mirror image."""
        return needs_mirror(self.mirror, self.information.get("hemisphere"), hemisphere_of(mesh))

    def plan(self, mesh: Mesh) -> GraphPlan:
        """Prepare the tables that all steps on a mesh share; call it once for a forecast.

        One line in the log says if the steps are computed in the mirror image of the mesh.
        """
        self.operator.eval()
        is_mirrored = self.is_mirrored_on(mesh)
        self._report_hemisphere(mesh, is_mirrored)

        seen = mirrored_mesh(mesh) if is_mirrored else mesh
        plan = self.operator.plan(cached_graph(seen).to(self.device))

        return replace(plan, is_mirrored=is_mirrored, is_closed=is_closed(mesh), transport=self._transport(seen))

    def _transport(self, mesh: Mesh) -> StateTransport | None:
        """Transport of the state on a mesh; None for a model that has learned the whole change."""
        table, statistics = self.normaliser.table, self.normaliser.statistics
        if not statistics.transported:
            return None

        seconds = statistics.lead_hours * SECONDS_PER_HOUR
        return plan_state_transport(mesh, table.state, statistics.transported, seconds).to(self.device)

    @property
    def has_sources(self) -> bool:
        """True if ice may grow or melt: the model is driven by something besides vectors such as wind and current."""
        table, statistics = self.normaliser.table, self.normaliser.statistics
        driving = [one for one in (*table.forcing, *table.slow) if one.vector is None]
        return any(statistics.present(driving).tolist())

    def conserves_on(self, plan: GraphPlan) -> bool:
        """Return True if a step on a plan keeps the totals of the conserved variables."""
        return self.conserve == "always" or (self.conserve == "auto" and plan.is_closed and not self.has_sources)

    def _report_hemisphere(self, mesh: Mesh, is_mirrored: bool) -> None:
        trained, here = self.information.get("hemisphere"), hemisphere_of(mesh)
        if is_mirrored:
            log.info("the steps are computed in the mirror image of the mesh, and the drift is turned back: the model "
                     "was trained on data of the hemisphere '%s', the mesh lies in '%s'", trained, here)  # fmt: skip
        elif here == "both" and trained in ("north", "south"):
            log.warning("the mesh lies on both hemispheres, the model was trained in the %s: the drift is turned to "
                        "the wrong side in the other one", trained)  # fmt: skip
        elif here == "south" and trained is None and self.mirror == "auto":
            log.warning("the mesh lies in the southern hemisphere, and that of the training data is not recorded; if "
                        "it was the northern one, set model.mirror = 'always' or --mirror always")  # fmt: skip

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

    @torch.inference_mode()
    def step(
        self,
        state: Float[Tensor, "batch face state"],
        forcing: Float[Tensor, "face forcing"],
        next_forcing: Float[Tensor, "face forcing"],
        slow: Float[Tensor, "face slow"],
        plan: GraphPlan,
        generators: list[torch.Generator],
    ) -> Float[Tensor, "batch face state"]:
        """Compute the state one lead time later.

        Args:
            state: now, in the units of the variable table; vectors along the axes of the mesh plane.
            forcing: now; the same for all members.
            next_forcing: one lead time later.
            slow: slowly varying inputs, now.
            plan: from :meth:`plan`, for the mesh.
            generators: of the noise, one for each member.
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

        if self.deterministic:
            return self._possible(plan, base, velocity(torch.zeros_like(state), 0.0))

        noise = member_noise(generators, state.shape[1:], self.device)
        residual = sample(velocity, noise, self.sampler, base.bounds)

        return self._possible(plan, base, residual)

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

    def _possible(self, plan: GraphPlan, base: StepBase, residual: Tensor) -> Tensor:
        """The next state that can exist, in the frame of the mesh.

        Args:
            plan: from :meth:`plan`.
            base: of the step.
            residual: normalised residual.
        """
        table = self.normaliser.table.state
        present = self.normaliser.statistics.present(table).tolist()  # on the processor: no waiting for a GPU
        advanced, area = base.next_state(residual), plan.graph.area

        rules = StateRules(table, present)
        return self.from_frame(plan, rules.applied(advanced, base.state, area, self.conserves_on(plan)))

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
    ) -> Float[Tensor, "batch face state"]:
        """Compute one step of some members of a forecast.

        The noise depends on seed, member and step only, so a member is the same in any batch and on any machine.

        Args:
            state: of these members at ``time``, as in :meth:`step`, on the device of the model.
            forcing: read at ``time`` and one lead time later.
            time: valid time of ``state``.
            step: number of steps that are done.
            members: numbers of the members.
            seed: of the forecast.
            plan: from :meth:`plan`, for the mesh.

        Raises:
            InputError: the forcing has no values at one of the two times, they cannot be read, or the new state is not
                finite.
        """
        now = forcing.at(time)
        then = forcing.at(time + self.lead_time)

        inputs = (torch.from_numpy(values).to(self.device) for values in (now.forcing, then.forcing, now.slow))
        driving, next_driving, slow = inputs
        generators = [_noise_generator(seed, member, step) for member in members]

        advanced = self.step(state, driving, next_driving, slow, plan, generators)
        if not torch.isfinite(advanced).all():
            raise InputError(
                f"the forecast from {np.datetime_as_string(time, 'm')} on (step {step + 1}) is not finite; check the "
                "initial state and the forcing for values far from those that the model was trained on"
            )
        return advanced


def _noise_generator(seed: int, member: int, step: int) -> torch.Generator:
    """Random numbers of one member at one step, independent of all other members and steps."""
    state = np.random.SeedSequence([seed, member, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
