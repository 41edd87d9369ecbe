"""Cells of square grids as images and back: what networks of pixels need."""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from gensim_graph.data import Trajectories
from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import face_graph
from gensim_graph.typing import Array, Float, Int, Tensor

_OFF = 0.2
"""Of a spacing: a centre that lies further from the middle of its pixel lies on no grid."""


_FEWEST = 64
"""Cells of a coarse grid at the least, as for samples that are coarsened otherwise."""


@dataclass(frozen=True)
class Images:
    """Where the cells of a batch of graphs lie in one square image a graph; pixels without a cell are masked.

    Attributes:
        graph: (F,) graph of each cell.
        row, column: (F,) pixel of each cell; rows go up, along y.
        spacing: (G,) m.
        side: pixels along a side of all images.
    """

    graph: Int[Tensor, " face"]
    row: Int[Tensor, " face"]
    column: Int[Tensor, " face"]
    spacing: Float[Tensor, " graph"]
    side: int

    @classmethod
    def of(cls, graph: MeshGraph, multiple: int = 1) -> "Images":
        """Find rows and columns from positions and areas.

        Args:
            graph: one graph or a batch.
            multiple: the side becomes a multiple of this.

        Raises:
            InputError: the cells lie in no rows and columns of equal squares along the axes.
        """
        owner = face_graph(graph)
        pixel, spacing = torch.empty_like(graph.pos), torch.empty(graph.n_graphs, device=graph.pos.device)

        for index in range(graph.n_graphs):
            own = owner == index
            spacing[index] = graph.area[own].median().sqrt()
            pixel[own] = (graph.pos[own] - graph.pos[own].amin(dim=0)) / spacing[index]

        column, row = pixel.round().long().unbind(dim=-1)
        longest = int(pixel.round().max()) + 1
        side = -(-longest // multiple) * multiple
        place = (owner * side + row) * side + column
        off = float((pixel - pixel.round()).abs().max())

        if off > _OFF or len(place.unique()) < len(place):
            raise InputError(
                f"{len(place)} cells: expected squares of one size in rows and columns along the axes, which a network "
                f"of pixels needs; came centres up to {off:.2f} spacings off. Train it on a regular grid"
            )

        return cls(owner, row, column, spacing, side)

    def paint(self, values: Float[Tensor, "batch face channel"]) -> Float[Tensor, "image channel side side"]:
        """Images of all members and graphs, (B * G, ...); zero without a cell."""
        batch, _, channels = values.shape
        images = values.new_zeros(batch, len(self.spacing), self.side, self.side, channels)
        images[:, self.graph, self.row, self.column] = values
        return images.flatten(0, 1).permute(0, 3, 1, 2)

    def pick(self, images: Float[Tensor, "image channel side side"]) -> Float[Tensor, "batch face channel"]:
        """Values of the cells, back from :meth:`paint`."""
        members = images.unflatten(0, (-1, len(self.spacing))).permute(0, 1, 3, 4, 2)
        return members[:, self.graph, self.row, self.column]

    def positions(self) -> Float[Tensor, "graph 2 side side"]:
        """Coordinates of all pixels, x and y in m from the first one."""
        steps = torch.arange(self.side, device=self.spacing.device, dtype=self.spacing.dtype)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        return torch.stack((x, y)) * self.spacing.reshape(-1, 1, 1, 1)


def with_blocks(part: Trajectories, levels: int) -> list[Trajectories]:
    """Trajectories on a full grid, and their means over blocks of 2 x 2 pixels, of 4 x 4 and so on, while they fit.

    Args:
        part: on any mesh.
        levels: how many at the most, with the one that is given.
    """
    images = Images.of(build_graph(part.mesh))
    rows, columns = int(images.row.max()) + 1, int(images.column.max()) + 1
    if levels < 2 or rows % 2 or columns % 2 or rows * columns != part.mesh.n_faces or rows * columns < 4 * _FEWEST:
        return [part]

    order = (images.row * columns + images.column).argsort().numpy()
    x, y = (part.mesh.centres[order].reshape(rows, columns, 2)[..., axis] for axis in (0, 1))
    mesh = Mesh.from_grid(x[0].reshape(-1, 2).mean(axis=1), y[:, 0].reshape(-1, 2).mean(axis=1))

    def mean(values: Array) -> Array:
        blocks = values[:, :, order].reshape(*values.shape[:2], rows // 2, 2, columns // 2, 2, values.shape[-1])
        return blocks.mean(axis=(3, 5)).reshape(*values.shape[:2], rows * columns // 4, values.shape[-1])

    coarse = replace(part, mesh=mesh, state=mean(part.state), forcing=mean(part.forcing), slow=mean(part.slow))

    return [part, *with_blocks(coarse, levels - 1)]


def windows_of(
    images: Float[Tensor, "image channel side side"], inner: int, overlap: int
) -> Float[Tensor, "window channel width width"]:
    """Windows of ``inner`` pixels with ``overlap`` more on each side, zero beyond the rim; sides are its multiples."""
    padded = functional.pad(images, (overlap,) * 4)
    width = inner + 2 * overlap
    cut = padded.unfold(2, width, inner).unfold(3, width, inner)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def join_windows(
    windows: Float[Tensor, "window channel width width"], count: int, inner: int, overlap: int
) -> Float[Tensor, "image channel side side"]:
    """Inner parts of the windows side by side, ``count`` along a side."""
    kept = windows[..., overlap : overlap + inner, overlap : overlap + inner]
    rows = kept.unflatten(0, (-1, count, count)).permute(0, 3, 1, 4, 2, 5)
    return rows.flatten(4, 5).flatten(2, 3)
