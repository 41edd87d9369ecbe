"""The order of the cells: tokens and clusters."""

import numpy as np
import pytest

from gensim_graph.graph import TOKEN_CELLS, order_cells

COUNTS = [1, 2, 3, 4, 5, 31, 250, 256, 257, 1000, 1023]


def random_points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1e5, (count, 2))


def grid_points(size: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) * 1e3


def members(label: np.ndarray) -> set[frozenset[int]]:
    """Groups of equal labels as sets."""
    return {frozenset(np.flatnonzero(label == one).tolist()) for one in np.unique(label)}


def square_blocks(size: int, block: int) -> set[frozenset[int]]:
    row, column = np.divmod(np.arange(size**2), size)
    return members((row // block) * size + column // block)


def test_tokens_of_a_grid_are_its_patches():
    assert members(order_cells(grid_points(64)).token) == square_blocks(64, 2)


def test_clusters_of_a_grid_are_its_square_blocks():
    assert members(order_cells(grid_points(64)).token // 64) == square_blocks(64, 16)


@pytest.mark.parametrize("count", COUNTS)
def test_every_cell_has_a_slot_of_its_own(count):
    order = order_cells(random_points(count))
    assert len(np.unique(order.slot)) == count
    assert order.slot.min() >= 0
    assert order.slot.max() < order.n_slots


@pytest.mark.parametrize("count", COUNTS)
def test_as_few_clusters_as_hold_all_cells(count):
    assert order_cells(random_points(count)).n_clusters == -(-count // 256)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("cluster_tokens", [32, 64])
def test_only_the_last_token_of_a_cluster_is_not_full(count, cluster_tokens):
    order = order_cells(random_points(count), cluster_tokens)
    sizes = np.bincount(order.token, minlength=order.n_clusters * cluster_tokens).reshape(-1, cluster_tokens)
    for row in sizes:
        used = row[row > 0]
        assert (used[:-1] == TOKEN_CELLS).all()
        assert (row[len(used) :] == 0).all()


@pytest.mark.parametrize("count", [257, 1000, 1023, 3001])
def test_clusters_are_of_about_the_same_size(count):
    order = order_cells(random_points(count))
    sizes = np.bincount(order.token // 64, minlength=order.n_clusters)
    assert sizes.max() - sizes.min() <= 2 * TOKEN_CELLS


@pytest.mark.parametrize("points", [random_points(1023), grid_points(32)], ids=["random", "grid"])
def test_renumbering_the_cells_keeps_the_groups(points):
    shuffle = np.random.default_rng(1).permutation(len(points))
    order, shuffled = order_cells(points), order_cells(points[shuffle])
    token = np.empty(len(points), dtype=np.int64)
    token[shuffle] = shuffled.token
    assert members(token) == members(order.token)


def test_turned_points_and_axes_give_the_same_slots():
    points, angle = random_points(700), 0.7
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = points @ np.array([[cosine, sine], [-sine, cosine]])
    assert (order_cells(turned, angle=angle).slot == order_cells(points).slot).all()


def test_other_axes_give_other_tokens():
    points = random_points(700)
    assert members(order_cells(points, angle=0.7).token) != members(order_cells(points).token)


@pytest.mark.parametrize("count", [3, 250, 1023])
def test_given_groups_stay_tokens_in_other_clusters(count):
    points = random_points(count)
    groups = np.unique(order_cells(points).token, return_inverse=True)[1]
    order = order_cells(points, 32, 1.1, groups)
    assert members(order.token) == members(groups)
    assert len(np.unique(order.slot)) == count
    assert order.slot.max() < order.n_slots


def test_tokens_are_compact():
    """The mean distance of a cell from the centre of its token is below one spacing."""
    points = random_points(4096)
    token = order_cells(points).token
    centre = np.stack([np.bincount(token, points[:, axis]) / np.bincount(token) for axis in (0, 1)], axis=-1)
    spacing = 1e5 / 64
    assert np.hypot(*(points - centre[token]).T).mean() < spacing
