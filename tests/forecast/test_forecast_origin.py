"""Stores of forecasts: coordinates and origin, ensembles of initial states, other hemispheres, several topologies."""

import numpy as np
import pytest
import xarray as xr
from support.examples import small_trajectory
from support.forecasts import DATA, MESH, TABLE, same_files, small_model, write

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.evaluate import evaluate
from gensim_graph.forecast import read_initial
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import model_hash

MODEL = small_model()
NAMES = ["sit", "sic", "sid", "siu", "siv", "uas", "vas"]
STARTS = xr.concat(
    [DATA, DATA.assign({name: 0.5 * DATA[name] for name in ("sic", "sit")})], "trajectory", data_vars=NAMES
)


def polar_data(crs: str) -> xr.Dataset:
    mesh = Mesh.from_faces(MESH.nodes + 1e6, MESH.faces, crs)
    return open_store(small_trajectory(mesh, hours=24))


# Coordinates and origin


def test_a_store_says_where_and_whence(tmp_path):
    data = polar_data("EPSG:3413")
    store = write(MODEL, tmp_path / "fc.zarr", initial=data.isel(time=0), forcing=data, steps=1, members=2, seed=5)
    inside = MODEL.forecast(data.isel(time=0), data, steps=1, members=2, seed=5, progress=False)
    np.testing.assert_array_equal(store["lat"], inside["lat"])
    assert {"lon", "lat", "valid_time"} <= set(store["sic"].coords)
    assert store["lat"].attrs["standard_name"] == "latitude"
    assert store.attrs == inside.attrs
    assert store.attrs["model_hash"] == model_hash(MODEL)
    np.testing.assert_array_equal(evaluate(store, data)["rmse"], evaluate(inside, data)["rmse"])


def test_the_time_at_which_it_began_stays(tmp_path, monkeypatch):
    """An extension later, with another time of the clock, keeps the beginning; only the length changes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    write(MODEL, tmp_path / "fc.zarr", steps=1, members=2)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert write(MODEL, tmp_path / "fc.zarr", steps=2, members=2).attrs["date_created"] == "1970-01-01T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    write(MODEL, tmp_path / "whole.zarr", steps=2, members=2)
    assert same_files(tmp_path / "fc.zarr", tmp_path / "whole.zarr")


# Ensembles of initial states


@pytest.mark.parametrize("dim", ["trajectory", "member", "realization"])
def test_members_of_a_file_are_starts_of_members(tmp_path, dim):
    STARTS.rename(trajectory=dim).to_netcdf(tmp_path / "run.nc")
    initial = read_initial(f"{tmp_path / 'run.nc'}@2000-01-01T06:00", None, TABLE)
    store = write(
        MODEL, tmp_path / "fc.zarr", initial=initial, forcing=DATA.isel(time=slice(2, None)), steps=1, members=3
    )
    for member, origin in enumerate([0, 1, 0]):  # more members than states: in turn
        np.testing.assert_array_equal(store["sic"][member, 0], STARTS["sic"].isel(trajectory=origin, time=2))
    assert store.attrs["initial_state"] == f"{tmp_path / 'run.nc'} at 2000-01-01T06:00"


def test_batches_and_extensions_keep_the_states_of_the_members(tmp_path):
    """Work units of two members, extended in two runs, against one in memory."""
    for steps in (1, 3):
        store = write(MODEL, tmp_path / "fc.zarr", initial=STARTS.isel(time=0), steps=steps, members=5, batch=2)
    inside = MODEL.forecast(STARTS.isel(time=0), DATA, steps=3, members=5, batch=2, progress=False)
    np.testing.assert_array_equal(store["siu"].values, inside["siu"].values)
    with pytest.raises(InputError, match="another initial state"):
        write(MODEL, tmp_path / "fc.zarr", steps=3, members=5, batch=2)


def test_a_store_is_an_ensemble_of_initial_states(tmp_path):
    first = write(MODEL, tmp_path / "fc.zarr", steps=2, members=3)
    initial = read_initial(f"{tmp_path / 'fc.zarr'}@2000-01-01T12:00", None, TABLE)
    later = write(MODEL, tmp_path / "later.zarr", initial=initial, steps=1, members=3)
    np.testing.assert_array_equal(later["sic"][:, 0], first["sic"][:, 2])


def test_several_starts_of_ensembles(tmp_path):
    store = write(MODEL, tmp_path / "fc.zarr", initial=STARTS.isel(time=[0, 2]), steps=1, members=2)
    np.testing.assert_array_equal(store["sic"][1, :, 0], STARTS["sic"].isel(time=2))


# Your own mesh, several topologies, the other hemisphere


def test_plain_fields_and_a_mesh(tmp_path):
    plain = DATA[NAMES].rename(face="cell")
    store = write(MODEL, tmp_path / "fc.zarr", initial=plain.isel(time=0), forcing=plain, mesh=MESH, steps=1, members=1)
    np.testing.assert_array_equal(store["siv"], write(MODEL, tmp_path / "own.zarr", steps=1, members=1)["siv"])


def test_files_without_a_mesh(tmp_path, run):
    """The command line takes state and winds of bare cells on the mesh that it is given."""
    DATA[NAMES].rename(face="cell").to_netcdf(tmp_path / "cells.nc")
    DATA.drop_vars(NAMES).drop_dims("time").to_netcdf(tmp_path / "mesh.nc")
    MODEL.save(tmp_path / "model")
    command = ["forecast", "--model", tmp_path / "model", "--initial", f"{tmp_path / 'cells.nc'}@2000-01-01"]
    command += ["--steps", 1, "--members", 1, "--out", tmp_path / "fc.zarr"]
    assert run(*command)[0] == 2
    code, _, said = run(*command, "--mesh", tmp_path / "mesh.nc")
    assert code == 0, said
    own = write(MODEL, tmp_path / "own.zarr", steps=1, members=1)
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "fc.zarr")["siv"], own["siv"])


def test_a_forecast_with_the_mirror_image_is_another_forecast(tmp_path):
    data = polar_data("EPSG:3976")
    model = small_model()
    given = {"initial": data.isel(time=0), "forcing": data, "steps": 1, "members": 1}
    write(model, tmp_path / "fc.zarr", **given)
    model.information["hemisphere"] = "north"
    with pytest.raises(InputError, match="mirror image no, not yes"):
        write(model, tmp_path / "fc.zarr", **given)
    write(model, tmp_path / "mirrored.zarr", **given)
    model.mirror = "never"
    with pytest.raises(InputError, match="mirror image yes, not no"):
        write(model, tmp_path / "mirrored.zarr", **given)


def two_topologies() -> xr.Dataset:
    """A second mesh, of one face, beside that of the data."""
    other = xr.Dataset(
        {
            "coarse": ((), 0, {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "cx cy",
                               "face_node_connectivity": "cf"}),
            "cx": ("cn", [0.0, 1e5, 0.0], {"units": "m"}),
            "cy": ("cn", [0.0, 0.0, 1e5], {"units": "m"}),
            "cf": (("cface", "corners"), [[0, 1, 2]], {"start_index": 0}),
        }
    )  # fmt: skip
    return DATA.merge(other)


def test_the_command_line_chooses_a_topology_and_the_mirror(tmp_path, run):
    two_topologies().to_netcdf(tmp_path / "run.nc")
    MODEL.save(tmp_path / "model")
    command = ["forecast", "--model", tmp_path / "model", "--initial", f"{tmp_path / 'run.nc'}@2000-01-01"]
    command += ["--steps", 1, "--members", 1, "--out", tmp_path / "fc.zarr"]
    code, _, said = run(*command)
    assert code == 2
    assert "--topology" in said
    code, _, said = run(*command, "--mirror", "sometimes")
    assert (code, "expected auto, always or never" in said) == (2, True)
    assert run(*command, "--topology", "mesh", "--mirror", "never")[0] == 0
    assert mesh_from_dataset(xr.open_zarr(tmp_path / "fc.zarr")).hash == MESH.hash


def test_training_data_with_several_topologies(tmp_path, run):
    two_topologies().to_netcdf(tmp_path / "run.nc")
    command = ["train", "--data", tmp_path / "run.nc", "--dry-run", "--out", tmp_path / "run"]
    assert run(*command)[0] == 2
    code, out, _ = run(*command, "--topology", "mesh", "data.lead_time=6h")
    assert code == 0
    assert "72" in out


def test_a_mesh_is_attached_in_public():
    assert gg.attach(MESH, DATA[NAMES].rename(face="cell"))["sic"].dims == ("time", "face")
