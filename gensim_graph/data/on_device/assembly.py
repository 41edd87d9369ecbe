"""Training batches made on the device: gather the records, average them over coarse cells, normalise, add the noise.

No operation depends on a value that the processor would have to read back from the device, so the processor prepares
the next steps while the device computes.
"""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

from gensim_graph.data.on_device.device_records import DeviceRecords
from gensim_graph.data.on_device.drawn_batch import DrawnBatch
from gensim_graph.data.on_device.drawn_samples import kinds_of_data
from gensim_graph.data.sampling import SampleFields, TrainingSamples
from gensim_graph.data.training_batch import TrainingBatch
from gensim_graph.flow import noised_sample
from gensim_graph.nn import face_graph
from gensim_graph.typing import Float, Int, Tensor
from gensim_graph.variables import vector_pairs


class DeviceAssembly:
    """Makes training batches of drawn ones, on the device that has the records.

    Args:
        samples: of the training; those in the batches are the same.
        device: that computes.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import Normaliser, SamplingConfig, TrainingSamples, Trajectories
        >>> from gensim_graph.data import cyclone_trajectories, statistics_of
        >>> from gensim_graph.data.on_device import DeviceAssembly, DrawnSamples, collate_drawn
        >>> table, lead = gg.default_variables(), np.timedelta64(12, "h")
        >>> data = [Trajectories.from_dataset(gg.open_store(cyclone_trajectories("test")[0]), table, lead)]
        >>> normaliser = Normaliser(table, statistics_of(data, table, lead_hours=12.0))
        >>> samples = TrainingSamples(data, normaliser, SamplingConfig(batch=2), seed=0, count=100)
        >>> assembly = DeviceAssembly(samples, torch.device("cpu"))
        >>> drawn = DrawnSamples(samples, assembly.records.rows)
        >>> batch = assembly(collate_drawn([drawn[0], drawn[1]]))
        >>> torch.equal(batch.noised[0, : samples[0].graph.n_cells], samples[0].noised)
        True
    """

    def __init__(self, samples: TrainingSamples, device: torch.device) -> None:
        table = samples.normaliser.table
        self.records = DeviceRecords.of(samples.data, table, device)
        self._normaliser = samples.normaliser.to(device)
        self._deterministic = samples.deterministic
        self._turns = samples.config.rotate or samples.config.mirror
        self._device = device

        self._state_vectors = _Vectors.of(vector_pairs(table.state), device)
        self._condition_vectors = _Vectors.of(self._normaliser.condition_channels.vectors, device)

        statistics = [samples.normaliser.statistics.without(names) for names in kinds_of_data(samples)]
        state, physical = table.state, (*table.state, *table.forcing, *table.forcing, *table.slow)
        conditions = (*physical, *table.state, *table.forcing, *table.slow)  # the latter for the presence flags
        self._state_present, self._condition_present = (
            torch.stack([torch.from_numpy(one.present(variables)) for one in statistics]).float().to(device)
            for variables in (state, conditions)
        )

    def __call__(self, drawn: DrawnBatch) -> TrainingBatch:
        """Make a training batch; its padded cells are zero.

        Args:
            drawn: several samples, on the processor or on the device.
        """
        drawn = drawn.to(self._device)
        sample = face_graph(drawn.graph)[: len(drawn.rows)]

        fields = self._fields(drawn, sample)
        noised, velocity = self._path(drawn, sample, self._residual(fields, drawn.kind[sample]))
        conditions = self._conditions(fields, drawn.kind[sample])
        at_lower, at_upper = self._normaliser.bounds.reached(fields.next_state)
        weight = drawn.core.float().unsqueeze(-1) * self._state_present[drawn.kind[sample]]

        if self._turns:
            turn = drawn.turn[sample]
            noised, velocity = (self._state_vectors.turned(values, turn) for values in (noised, velocity))
            conditions = self._condition_vectors.turned(conditions, turn)

        more = drawn.graph.n_cells - len(drawn.rows)
        columns = (noised, conditions, velocity, at_lower, at_upper, weight)
        padded = [pad(values, (0, 0, 0, more)).unsqueeze(0) for values in columns]
        return TrainingBatch._make([drawn.graph, *padded, drawn.flow_time.unsqueeze(0)])

    def _fields(self, drawn: DrawnBatch, sample: Int[Tensor, " cell"]) -> SampleFields:
        """Read the fields of all cells at t and at t + lead."""
        state, forcing, slow, base = self.records.widths
        later = drawn.later[sample]

        now = self._read(drawn.rows, drawn, drawn.faces)
        then = self._read(drawn.rows + later, drawn, drawn.faces + later[drawn.coarse].unsqueeze(-1))
        state_now, forcing_now, slow_now, moved = now.split([state, forcing, slow, base], dim=-1)

        return SampleFields(
            state_now,
            then[:, :state],
            forcing_now,
            then[:, state : state + forcing],
            slow_now,
            moved if base else state_now,
        )

    def _read(
        self, rows: Int[Tensor, " cell"], drawn: DrawnBatch, faces: Int[Tensor, "coarse face"]
    ) -> Float[Tensor, "cell column"]:
        """Gather rows of the records; those of coarse cells are means, summed in double precision."""
        values = self.records.values.index_select(0, rows)
        if not len(faces):
            return values

        members = self.records.values[faces].double()
        means = (members * drawn.shares.unsqueeze(-1)).sum(dim=1)
        return values.index_copy_(0, drawn.coarse, means.float())

    def _residual(self, fields: SampleFields, kind: Int[Tensor, " cell"]) -> Float[Tensor, "cell state"]:
        normaliser = self._normaliser
        expected = normaliser.expected(fields.state, fields.forcing, fields.next_forcing)
        base = normaliser.with_drift_of(fields.base, expected)
        return normaliser.residual(base, fields.next_state) * self._state_present[kind]

    def _conditions(self, fields: SampleFields, kind: Int[Tensor, " cell"]) -> Float[Tensor, "cell condition"]:
        """Conditions of the network; variables that the data of a sample lack are zero, and so are their flags."""
        conditions = self._normaliser.conditions(fields.state, fields.forcing, fields.next_forcing, fields.slow)
        return conditions * self._condition_present[kind]

    def _path(
        self, drawn: DrawnBatch, sample: Int[Tensor, " cell"], residual: Float[Tensor, "cell state"]
    ) -> tuple[Tensor, Tensor]:
        """Point on the path from noise to data, and velocity there; for the deterministic twin zero and residual."""
        if self._deterministic:
            return torch.zeros_like(residual), residual
        return noised_sample(residual, drawn.noise, drawn.flow_time[sample].unsqueeze(-1))


class _Vectors(NamedTuple):
    """Channels of the x and of the y components of vectors."""

    x: Int[Tensor, " vector"]
    y: Int[Tensor, " vector"]

    @classmethod
    def of(cls, pairs: tuple[tuple[int, int], ...], device: torch.device) -> "_Vectors":
        x, y = torch.tensor(pairs, dtype=torch.int64, device=device).reshape(-1, 2).T
        return cls(x, y)

    def turned(
        self, values: Float[Tensor, "cell channel"], turn: Float[Tensor, "cell 3"]
    ) -> Float[Tensor, "cell channel"]:
        """Reflect y and turn counter-clockwise; see :func:`~gensim_graph.nn.rotate_vectors`."""
        cosine, sine, sign = turn.unsqueeze(1).unbind(-1)
        x, y = values.index_select(-1, self.x), values.index_select(-1, self.y) * sign
        turned = values.index_copy(-1, self.x, cosine * x - sine * y)
        return turned.index_copy_(-1, self.y, sine * x + cosine * y)
