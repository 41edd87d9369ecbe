"""The table of formats: one row makes a format known to all that read meshes and fields."""

import numpy as np
import pytest
from support.examples import small_trajectory

from gensim_graph.errors import InputError
from gensim_graph.io import find_format, formats, load_mesh, open_store
from gensim_graph.io.formats import FORMATS, Format


def test_every_row_reads_something():
    assert all(one.read_mesh is not None or one.read_fields is not None for one in FORMATS)
    assert len({one.name for one in FORMATS}) == len(FORMATS)


def test_the_order_of_the_rows():
    """A special format stands before the general one that would recognise its files too."""
    meshes = [one.name for one in FORMATS if one.read_mesh is not None]
    fields = [one.name for one in FORMATS if one.read_fields is not None]
    assert meshes.index("moorings (neXtSIM)") < meshes.index(".nc, .nc4 and .zarr (UGRID, MPAS, grids)")
    assert meshes[-1].startswith("through meshio")
    assert fields[-1] == "trajectory of another program"


@pytest.mark.parametrize("with_fields", [False, True])
def test_a_format_is_one_row(monkeypatch, tmp_path, small_mesh, with_fields):
    path = tmp_path / "run.mine"
    path.touch()
    trajectory = small_trajectory(small_mesh)
    row = Format(
        "my own format (.mine)",
        lambda file: file.suffix == ".mine",
        lambda file, crs, defects: small_mesh,
        (lambda file, mesh: trajectory) if with_fields else None,
    )
    monkeypatch.setattr(formats, "FORMATS", [row, *FORMATS])
    assert load_mesh(path) is small_mesh
    with pytest.raises(InputError, match=r"supported are my own format \(\.mine\); \.msh"):
        load_mesh(tmp_path)
    if with_fields:
        assert find_format(path) is row
        np.testing.assert_array_equal(open_store(path)["sit"], trajectory["sit"])
    else:
        assert find_format(path) is None
        with pytest.raises(InputError, match="cannot be read as netCDF or zarr"):
            open_store(path)
