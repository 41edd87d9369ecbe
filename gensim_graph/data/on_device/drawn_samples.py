"""Samples as the workers draw them for a device that has the records: without reading any values."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Dataset

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.on_device.device_records import RecordRows
from gensim_graph.data.on_device.drawn_batch import DrawnBatch
from gensim_graph.data.sampling import TrainingSamples, absent_of
from gensim_graph.typing import Array, Tensor


class DrawnSamples(Dataset[DrawnBatch]):
    """The samples of a training by their number, drawn and not read.

    Args:
        samples: the same samples with their values.
        rows: places of the records on the device.
    """

    def __init__(self, samples: TrainingSamples, rows: RecordRows) -> None:
        self._samples, self._rows = samples, rows
        self._kinds = kinds_of_data(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int) -> DrawnBatch:
        draw = self._samples.draw(number)
        part = next(index for index, one in enumerate(self._samples.data) if one is draw.part)
        first = self._rows.of_record(part, draw.trajectory, draw.start)
        rows, coarse, faces, shares = _faces_of_cells(draw.cells, draw.means)

        # The noise comes before the angle, as in TrainingSamples: both are of the same sequence.
        columns = 0 if self._samples.deterministic else len(self._samples.normaliser.table.state)
        noise = draw.rng.standard_normal((len(rows), columns), dtype=np.float32)
        angle, mirror = self._samples.draw_turn(draw.rng)
        graph = draw.subgraph.graph

        return DrawnBatch(
            turn_graph(graph, angle, mirror) if angle or mirror else graph,
            torch.from_numpy(rows + first),
            torch.from_numpy(coarse),
            torch.from_numpy(faces + first),
            torch.from_numpy(shares),
            draw.subgraph.core,
            torch.from_numpy(noise),
            torch.tensor(self._rows.later[part]),
            torch.tensor(self._kinds.index(absent_of(draw.part, self._samples.normaliser))),
            _turn(angle, mirror),
            torch.tensor(0.0 if self._samples.deterministic else draw.flow_time, dtype=torch.float32),
        )

    def __getitems__(self, numbers: Sequence[int]) -> list[DrawnBatch]:
        """Return several samples."""
        return [self[number] for number in numbers]


def kinds_of_data(samples: TrainingSamples) -> list[tuple[str, ...]]:
    """Return the different sets of variables that parts of the data lack, in the order of the parts.

    Args:
        samples: of the training.
    """
    return list(dict.fromkeys(absent_of(part, samples.normaliser) for part in samples.data))


def _turn(angle: float, mirror: bool) -> Tensor:
    """Cosine and sine in single precision, as :func:`~gensim_graph.nn.rotate_vectors` takes them; sign of y."""
    one = torch.tensor(angle)
    return torch.stack((torch.cos(one), torch.sin(one), torch.tensor(-1.0 if mirror else 1.0)))


def _faces_of_cells(cells: Array, means: sparse.csr_array | None) -> tuple[Array, Array, Array, Array]:
    """Face of each cell of a sample, and of its coarse cells the numbers, faces and weights.

    Args:
        cells: (n,) faces of the mesh.
        means: (cells of the sample, n) means over them; None if they are the cells of the sample.
    """
    if means is None:
        empty = np.zeros((0, 1), dtype=np.int64)
        return cells, empty[:, 0], empty, empty.astype(np.float64)

    counts = np.diff(means.indptr)
    column = np.arange(len(means.indices)) - np.repeat(means.indptr[:-1], counts)
    row = np.repeat(np.arange(len(counts)), counts)

    faces = np.zeros((len(counts), int(counts.max())), dtype=np.int64)
    shares = np.zeros(faces.shape)
    faces[row, column] = cells[means.indices]
    shares[row, column] = means.data

    return faces[:, 0].copy(), np.arange(len(counts)), faces, shares
