"""Convert the cells of square grids to images and windows and back, for networks that work on pixels."""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from gensim_graph.data import TrainingData, Trajectories
from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import face_graph
from gensim_graph.typing import Array, Float, Int, Tensor

_OFF = 0.2
"""Largest distance, in spacings, between the centre of a cell and the middle of its pixel."""

_FEWEST = 64
"""Smallest number of cells of a coarse grid, the same as in other coarsened samples."""


@dataclass(frozen=True)
class Images:
    """Pixels of the cells of a batch of graphs, in one square image per graph; some pixels may have no cell.

    Attributes:
        graph: (F,) number of the graph of each cell.
        row, column: (F,) pixel of each cell; rows increase along y, columns along x.
        spacing: (G,) side of the pixels of each graph, m.
        side: pixels along a side of every image.
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
            multiple: the side of the images is rounded up to a multiple of this.

        Raises:
            InputError: the cells are not equal squares in rows and columns along the axes.
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
        """Return images of all members and graphs, (B * G, ...); pixels without a cell are zero."""
        batch, _, channels = values.shape
        images = values.new_zeros(batch, len(self.spacing), self.side, self.side, channels)
        images[:, self.graph, self.row, self.column] = values
        return images.flatten(0, 1).permute(0, 3, 1, 2)

    def pick(self, images: Float[Tensor, "image channel side side"]) -> Float[Tensor, "batch face channel"]:
        """Return the values of images at the cells, the inverse of :meth:`paint`."""
        members = images.unflatten(0, (-1, len(self.spacing))).permute(0, 1, 3, 4, 2)
        return members[:, self.graph, self.row, self.column]

    def positions(self) -> Float[Tensor, "graph 2 side side"]:
        """Coordinates x and y of all pixels relative to the first pixel, m."""
        steps = torch.arange(self.side, device=self.spacing.device, dtype=self.spacing.dtype)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        return torch.stack((x, y)) * self.spacing.reshape(-1, 1, 1, 1)


def with_blocks(part: TrainingData, levels: int) -> list[Trajectories]:
    """Return trajectories on a grid and their means over blocks of 2 x 2 pixels, 4 x 4 pixels and so on.

    Coarsening ends if a side is odd, the grid has gaps, or the coarse grid would have too few cells.

    Args:
        part: trajectories in memory, on a regular grid.
        levels: largest number of results, including the trajectories that are given.

    Raises:
        InputError: the mesh is no regular grid, or the trajectories are not in memory.
    """
    if not isinstance(part, Trajectories):
        raise InputError("GenSIM's network is trained on data in memory only; give the files, not a prepared store")

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
    """Cut images into windows with a margin; the margin outside of an image is zero.

    Args:
        images: their sides are multiples of ``inner``.
        inner: pixels along the inner part of a window.
        overlap: pixels of the margin on each side.
    """
    padded = functional.pad(images, (overlap,) * 4)
    width = inner + 2 * overlap
    cut = padded.unfold(2, width, inner).unfold(3, width, inner)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def join_windows(
    windows: Float[Tensor, "window channel width width"], count: int, inner: int, overlap: int
) -> Float[Tensor, "image channel side side"]:
    """Join the inner parts of windows to images, the inverse of :func:`windows_of`.

    Args:
        windows: windows of all images.
        count: windows along a side of an image.
        inner: pixels along the inner part of a window.
        overlap: pixels of the margin on each side.
    """
    kept = windows[..., overlap : overlap + inner, overlap : overlap + inner]
    rows = kept.unflatten(0, (-1, count, count)).permute(0, 3, 1, 4, 2, 5)
    return rows.flatten(4, 5).flatten(2, 3)
