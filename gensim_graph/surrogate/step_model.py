"""One step of a trained model, in tensors: from the state now to the state one lead time later.

:class:`~gensim_graph.surrogate.Surrogate` makes forecasts of it, from datasets to datasets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from gensim_graph.data import Forcing, Normaliser
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, sample
from gensim_graph.graph import cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan, Operator, Prepared
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
        information: notes of the training (steps, data, ...) by key, free text.
    """

    operator: Operator
    normaliser: Normaliser
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    deterministic: bool = False
    information: dict[str, object] = field(default_factory=dict)
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
        self._velocity = torch.compile(self.operator.velocity, fullgraph=True, dynamic=False, **options)
        return self

    def plan(self, mesh: Mesh) -> GraphPlan:
        """Prepare the tables that all steps on a mesh share; call it once for a forecast."""
        self.operator.eval()
        return self.operator.plan(cached_graph(mesh).to(self.device))

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
        shared = (values.expand(len(state), -1, -1) for values in (forcing, next_forcing, slow))
        evaluate = self._velocity or self.operator.velocity

        with self._autocast():
            prepared = self.operator.prepare(self.normaliser.conditions(state, *shared), plan)

        def velocity(noised: Tensor, flow_time: float) -> Tensor:
            with self._autocast():
                return evaluate(noised, noised.new_full((len(noised),), flow_time), prepared).float()

        if self.deterministic:
            return self.normaliser.advance(state, velocity(torch.zeros_like(state), 0.0))

        noise = torch.stack([torch.randn(state.shape[1:], generator=generator) for generator in generators])
        bounds = self.normaliser.residual_bounds(state)
        residual = sample(velocity, noise.to(self.device), self.sampler, bounds)

        return self.normaliser.advance(state, residual)

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
