"""The surrogate: an operator with everything it needs to forecast. xarray in, xarray out.

A saved surrogate is a folder with ``weights.safetensors`` and ``surrogate.json`` (sizes, variable table, statistics,
sampler, format version); nothing else is needed to use it.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gensim_graph.data import Forcing, Normaliser, Statistics, as_forcing, stack_variables
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig, sample
from gensim_graph.graph import cached_graph
from gensim_graph.io import mesh_from_dataset, mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.nn import NETWORKS, AttentionPlan, Operator, OperatorConfig, Prepared, build_operator
from gensim_graph.surrogate.shipped import SHIPPED, folder_of
from gensim_graph.system import write_atomically
from gensim_graph.typing import Float, Path, Tensor
from gensim_graph.variables import Variable, VariableTable

MODEL_FORMAT = 2
"""Version of the folder; a surrogate of another version is refused with a word on what to do."""

Precision = Literal["float32", "bf16"]

_PARTS = ("operator", "variables", "statistics", "sampler", "deterministic", "information")


@dataclass
class Surrogate:
    """A trained model of the sea ice.

    Attributes:
        operator: the network.
        normaliser: variable table and statistics.
        sampler: how a step is sampled.
        deterministic: the twin without noise: one evaluation gives the residual.
        information: what the training says of itself (steps, data, ...); free text by key.
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
        """Where it computes."""
        return self.normaliser.device

    @property
    def precision(self) -> Precision:
        """What the network computes in."""
        return self._precision

    def to(self, device: torch.device | str, precision: Precision = "float32") -> "Surrogate":
        """Compute somewhere else, or in another precision, from now on. Returns the surrogate itself.

        Args:
            device: such as ``cuda``; states come and go as before.
            precision: of the products in the network, ``float32`` or ``bf16``. States stay in float32.
        """
        self.operator = self.operator.to(device)
        self.normaliser = self.normaliser.to(torch.device(device))
        self._precision = precision
        return self

    def compile(self, **options: Any) -> "Surrogate":
        """Compile the network (torch.compile, with its options) at the first evaluation on a mesh.

        Every later evaluation on that mesh with as many members goes through the same code. It pays on a GPU and in
        long runs: on a CPU it compiles for minutes. Returns the surrogate itself.
        """
        self._velocity = torch.compile(self.operator.velocity, fullgraph=True, dynamic=False, **options)
        return self

    @property
    def lead_time(self) -> np.timedelta64:
        """Length of one step."""
        return np.timedelta64(round(self.normaliser.statistics.lead_hours * 3600), "s")

    def plan(self, mesh: Mesh) -> AttentionPlan:
        """What all steps on a mesh share; made once for a forecast."""
        self.operator.eval()
        return self.operator.plan(cached_graph(mesh).to(self.device))

    @torch.inference_mode()
    def step(
        self,
        state: Float[Tensor, "batch face state"],
        forcing: Float[Tensor, "face forcing"],
        next_forcing: Float[Tensor, "face forcing"],
        slow: Float[Tensor, "face slow"],
        plan: AttentionPlan,
        generators: list[torch.Generator],
    ) -> Float[Tensor, "batch face state"]:
        """One lead time ahead, physical units in and out.

        ``plan`` is that of :meth:`plan` for the mesh, ``generators`` are one a member.
        """
        shared = (values.expand(len(state), -1, -1) for values in (forcing, next_forcing, slow))
        evaluate = self._velocity or self.operator.velocity
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._precision == "bf16"):
            prepared = self.operator.prepare(self.normaliser.conditions(state, *shared), plan)

        def velocity(noised: Tensor, flow_time: float) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._precision == "bf16"):
                return evaluate(noised, noised.new_full((len(noised),), flow_time), prepared).float()

        if self.deterministic:
            return self.normaliser.advance(state, velocity(torch.zeros_like(state), 0.0))

        noise = torch.stack([torch.randn(state.shape[1:], generator=generator) for generator in generators])
        bounds = self.normaliser.residual_bounds(state)

        return self.normaliser.advance(state, sample(velocity, noise.to(self.device), self.sampler, bounds))

    def advance(
        self,
        state: Float[Tensor, "batch face state"],
        forcing: Forcing,
        time: np.datetime64,
        step: int,
        members: range,
        seed: int,
        plan: AttentionPlan,
    ) -> Float[Tensor, "batch face state"]:
        """Step number ``step`` of some members of a forecast, from ``time`` on.

        What it draws follows from seed, member and step, whichever members are computed together and wherever.
        """
        now, then = forcing.at(time), forcing.at(time + self.lead_time)
        driving, next_driving, slow = (
            torch.from_numpy(values).to(self.device) for values in (now.forcing, then.forcing, now.slow)
        )
        generators = [_generator(seed, member, step) for member in members]

        return self.step(state, driving, next_driving, slow, plan, generators)

    def first_state(self, initial: xr.Dataset) -> Float[Tensor, "face state"]:
        """The state that a forecast begins with.

        Raises:
            InputError: a state variable missing, or several times.
        """
        if initial["time"].ndim:
            raise InputError(
                f"initial state: expected one time, came {initial.sizes['time']}; choose one, .isel(time=0)"
            )

        self._require("initial state", initial, self.normaliser.table.state)
        return torch.from_numpy(stack_variables(initial, self.normaliser.table.state))

    def drivers(
        self, forcing: xr.Dataset | Forcing, mesh: Mesh, starts: Iterable[np.datetime64], steps: int
    ) -> Forcing:
        """Forcing of a forecast: with what the model needs, on its mesh, at all its times.

        Raises:
            InputError: it lacks a variable, is on another mesh, or has nothing at one of the times.
        """
        table = self.normaliser.table
        needed = (*table.forcing, *table.slow)
        if isinstance(forcing, xr.Dataset):
            self._require("forcing", forcing.data_vars, needed)

        found = as_forcing(forcing, mesh, table)
        self._require("forcing", found.names, needed)
        for start in starts:
            found.check(start + np.arange(steps + 1) * self.lead_time)

        return found

    def _require(self, what: str, there: Iterable[Hashable], variables: tuple[Variable, ...]) -> None:
        names = [str(name) for name in there]
        known = self.normaliser.statistics.values
        missing = [one.name for one in variables if one.name in known and one.name not in names]

        if missing:
            raise InputError(
                f"{what}: {', '.join(missing)} missing; this model was trained with them "
                f"(it has: {', '.join(sorted(names))})"
            )

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
        """Forecast step by step, never holding more than one step.

        Args:
            initial: state at one time, as :func:`~gensim_graph.open_store` gives it, ``.isel(time=...)``.
            forcing: at the initial time and at every step after it, on the same mesh: a dataset, or
                :func:`~gensim_graph.data.open_forcing` of files of any size.
            steps: number of steps.
            members: ensemble members; the deterministic twin has one.
            seed: of the noise; a member's numbers do not depend on the others nor on ``batch``, up to rounding.
            batch: members computed together.
            mesh: the mesh of ``initial``, if it is at hand.

        Yields:
            Dataset (member, face) with coordinates lead_time and valid_time, from lead 0 (the initial state) on.

        Raises:
            InputError: a state variable missing, several times, or forcing that does not cover the forecast or is on
                another mesh.
        """
        mesh = mesh or mesh_from_dataset(initial)
        count = 1 if self.deterministic else members
        state = self.first_state(initial).expand(count, -1, -1)
        start = np.atleast_1d(initial["time"].values)[0]
        drivers = self.drivers(forcing, mesh, [start], steps)
        plan = self.plan(mesh)
        yield self._dataset(state, start, 0)

        for index in range(steps):
            time, parts = start + index * self.lead_time, []
            for first in range(0, count, batch):
                chosen = range(first, min(first + batch, count))
                some = state[chosen.start : chosen.stop].to(self.device)
                parts.append(self.advance(some, drivers, time, index, chosen, seed, plan).cpu())

            state = torch.cat(parts)
            yield self._dataset(state, start, index + 1)

    def forecast(
        self,
        initial: xr.Dataset,
        forcing: xr.Dataset | Forcing,
        steps: int,
        members: int = 16,
        seed: int = 0,
        batch: int = 8,
    ) -> xr.Dataset:
        """Ensemble forecast in memory: Dataset ((start,) member, lead_time, face) with its mesh.

        ``initial`` may hold several times: each becomes a ``start``. Arguments and errors as in :meth:`rollout`.
        """
        mesh = mesh_from_dataset(initial)
        times = initial["time"]
        states = [initial] if times.ndim == 0 else [initial.isel(time=index) for index in range(len(times))]
        runs = [self.rollout(state, forcing, steps, members, seed, batch, mesh) for state in states]
        starts = [xr.concat(list(run), "lead_time", coords="different", compat="equals") for run in runs]

        if times.ndim == 0:
            joined = starts[0]
        else:
            joined = xr.concat(starts, "start", coords="different", compat="equals")
            valid = times.values[:, None] + joined["lead_time"].values
            joined = joined.assign_coords(
                initial_time=("start", times.values), valid_time=(("start", "lead_time"), valid)
            )

        return mesh_to_dataset(mesh).merge(
            joined.transpose("start", "member", "lead_time", "face", missing_dims="ignore")
        )

    @property
    def forecast_variables(self) -> list[tuple[int, Variable]]:
        """Channels of the state that the model forecasts: those that it was trained with."""
        present = self.normaliser.statistics.present(self.normaliser.table.state).tolist()
        return [(place, one) for place, one in enumerate(self.normaliser.table.state) if present[place]]

    def _dataset(self, state: Tensor, start: np.datetime64, index: int) -> xr.Dataset:
        lead = (index * self.lead_time).astype("timedelta64[ns]")
        variables = {
            variable.name: (("member", "face"), state[..., column].numpy(), variable.attrs)
            for column, variable in self.forecast_variables
        }
        coords = {"member": np.arange(len(state)), "lead_time": lead, "valid_time": start + lead, "initial_time": start}

        return xr.Dataset(variables, coords=coords)

    def save(self, folder: Path) -> None:
        """Write weights and description into ``folder``, each file whole or not at all."""
        target = FilePath(folder)
        target.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.operator.state_dict().items()}

        description = {
            "format": "gensim-graph surrogate",
            "format_version": MODEL_FORMAT,
            "operator": asdict(self.operator.config),
            "variables": self.normaliser.table.to_dict(),
            "statistics": self.normaliser.statistics.to_dict(),
            "sampler": asdict(self.sampler),
            "deterministic": self.deterministic,
            "information": self.information,
        }
        write_atomically(target / "weights.safetensors", lambda path: save_file(weights, path))
        write_atomically(target / "surrogate.json", lambda path: path.write_text(json.dumps(description, indent=1)))

    @classmethod
    def load(cls, folder: Path) -> "Surrogate":
        """Read a saved surrogate, or one that ships (``small``).

        Raises:
            InputError: no surrogate there, a truncated or foreign file, or another format version.
        """
        path = folder_of(folder)
        description = _read_description(path / "surrogate.json")

        try:
            table = VariableTable.from_dict(description["variables"])
            statistics = Statistics.from_dict(description["statistics"])
            _refuse_unknown(path, description["operator"].get("network", NETWORKS[0]))
            # The spacing was the unit of all models before there was a choice.
            config = OperatorConfig(**({"unit_km": None} | description["operator"]))
            sampler = SamplerConfig(**description["sampler"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path / 'surrogate.json'}: not understood ({error}); train again") from None

        normaliser = Normaliser(table, statistics)
        operator = build_operator(config, normaliser.state_channels, normaliser.condition_channels)
        weights = path / "weights.safetensors"

        try:
            operator.load_state_dict(load_file(weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise InputError(f"{weights}: cannot be read ({error}); is it complete, and from the same run?") from None

        return cls(
            operator.eval(),
            normaliser,
            sampler,
            description["deterministic"],
            description["information"],
        )


def _refuse_unknown(path: FilePath, network: str) -> None:
    if network not in NETWORKS:
        raise InputError(
            f"{path}: holds a network of your own, '{network}'; make it known first with "
            "gensim_graph.nn.register_network (for GenSIM's: gensim_graph.benchmark.resolutions.gensim_network.use_gensim)"
        )


def _read_description(path: FilePath) -> dict:
    if not path.exists():
        raise InputError(
            f"{path.parent}: no trained model here (no {path.name}); "
            f"train one with gensim-graph train --out {path.parent}, or take one that ships ({', '.join(SHIPPED)})"
        )

    try:
        description = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); is it complete?") from None

    if not isinstance(description, dict) or description.get("format") != "gensim-graph surrogate":
        raise InputError(f"{path}: not the description of a gensim-graph model")

    version = description.get("format_version")
    if version != MODEL_FORMAT:
        raise InputError(
            f"{path}: format version {version}, this installation reads {MODEL_FORMAT}; "
            "install the version of gensim-graph that wrote it, or train again"
        )

    missing = [key for key in _PARTS if key not in description]
    if missing:
        raise InputError(f"{path}: incomplete, {', '.join(missing)} missing; train again")

    return description


def _generator(seed: int, member: int, step: int) -> torch.Generator:
    """Noise of one member at one step, independent of everything else."""
    state = np.random.SeedSequence([seed, member, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
