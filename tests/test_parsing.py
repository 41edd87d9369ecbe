"""The mesh of a dataset is read and checked once on the whole way from an initial state to a report."""

import pytest
import xarray as xr
from support.examples import small_trajectory
from support.surrogates import MESH, random_surrogate

from gensim_graph.evaluate import write_report
from gensim_graph.forecast import write_forecast
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.io.ugrid import ugrid_mesh, ugrid_reader


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """Meshes that were read since the test began, one entry each time."""
    found = []
    parse = ugrid_reader._parse

    def counted(*arguments):
        found.append("mesh")
        return parse(*arguments)

    ugrid_reader._CACHE.clear()
    monkeypatch.setattr(ugrid_reader, "_parse", counted)
    return found


@pytest.mark.slow
def test_a_forecast_of_six_steps_and_its_report_read_each_mesh_once(parsed, tmp_path):
    """The trajectory and the forecast on disk are two datasets; derived ones bring the same mesh along."""
    small_trajectory(MESH, hours=48).to_netcdf(tmp_path / "run.nc")
    truth = open_store(str(tmp_path / "run.nc"))
    assert len(parsed) == 1
    write_forecast(random_surrogate(), truth.isel(time=0), truth, tmp_path / "fc.zarr", steps=6, members=2)
    assert len(parsed) == 1
    forecast = xr.open_zarr(tmp_path / "fc.zarr", chunks=None)
    write_report(forecast, truth, tmp_path / "report", {"again": forecast})
    assert len(parsed) == 2, "one for the trajectory, one for the forecast"


def test_the_mesh_that_is_kept_is_the_one_that_reading_gives(tmp_path):
    """What open_store keeps for its dataset equals what reading that dataset anew gives."""
    small_trajectory(MESH, hours=12).to_netcdf(tmp_path / "run.nc")
    store = open_store(str(tmp_path / "run.nc"))
    kept, read = mesh_from_dataset(store), ugrid_mesh(store)
    assert kept.hash == read.hash
    assert (kept.grid_shape, kept.crs) == (read.grid_shape, read.crs)
