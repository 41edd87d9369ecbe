"""The user's own arrays, plain datasets, forecasts and ensembles as initial state and forcing."""

import logging

import numpy as np
import pytest
import xarray as xr
from support.surrogates import DATA, MESH, random_surrogate

import gensim_graph as gg
from gensim_graph.errors import InputError

NAMES = ["sit", "sic", "sid", "siu", "siv", "uas", "vas"]
MODEL = random_surrogate()


def forecast(initial: xr.Dataset, forcing: xr.Dataset, **options: object) -> xr.Dataset:
    return MODEL.forecast(initial, forcing, **({"steps": 2, "members": 3, "progress": False} | options))


@pytest.fixture(scope="module")
def expected() -> xr.Dataset:
    return forecast(DATA.isel(time=0), DATA)


def check(came: xr.Dataset, expected: xr.Dataset) -> None:
    for name in ("sit", "sic", "sid", "siu", "siv"):
        np.testing.assert_array_equal(came[name].values, expected[name].values)


@pytest.mark.parametrize("dim", ["face", "cell"])
def test_plain_fields_and_a_mesh(expected, dim):
    plain = DATA[NAMES].rename(face=dim) if dim != "face" else DATA[NAMES]
    check(forecast(plain.isel(time=0), plain, mesh=MESH), expected)
    check(forecast(DATA.isel(time=0), plain), expected)
    attached = gg.attach(MESH, plain)
    check(forecast(attached.isel(time=0), attached), expected)


@pytest.mark.parametrize("topology", ["data", "coordinate"])
def test_a_file_of_this_package_as_xarray_opens_it(tmp_path, expected, topology):
    DATA.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as stored:
        plain = stored.set_coords("mesh") if topology == "coordinate" else stored
        came = forecast(plain.isel(time=0), plain)
    check(came, expected)
    assert came.attrs["initial_state"] == f"{tmp_path / 'run.nc'} at 2000-01-01T00:00"


def test_a_file_of_another_program_as_xarray_opens_it(tmp_path, expected):
    """Other names of dimensions and variables, and percent."""
    names = {"face": "nFaces", "node": "nNodes", "mesh": "topo", "node_x": "X", "node_y": "Y", "face_nodes": "corners"}
    other = DATA.rename(names | {"sic": "siconc"})
    other["topo"].attrs.update(node_coordinates="X Y", face_node_connectivity="corners", face_dimension="nFaces")
    other.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as plain:
        check(forecast(plain.isel(time=0), plain), expected)


def test_several_times_of_plain_fields():
    plain = DATA[NAMES].rename(face="cell")
    came = forecast(plain.isel(time=[0, 2]), plain, mesh=MESH)
    check(came, forecast(DATA.isel(time=[0, 2]), DATA))
    assert came.sizes["start"] == 2


def test_velocities_at_nodes():
    """Values at the nodes are averaged to the faces, as open_store does; they once ended in an error of numpy."""
    nodal = {
        name: (("time", "node"), np.tile(MESH.nodes[:, 0] * 1e-6, (DATA.sizes["time"], 1))) for name in ("siu", "siv")
    }
    ds = DATA.drop_vars(["siu", "siv"]).assign(nodal)
    first = forecast(ds.isel(time=0), ds)["siu"].isel(member=0, lead_time=0)
    np.testing.assert_allclose(first, MESH.centres[:, 0] * 1e-6, rtol=1e-5)


def test_plain_fields_without_a_mesh():
    plain = DATA[NAMES].rename(face="cell")
    with pytest.raises(InputError, match=r"initial state: .*no mesh topology.*mesh=.*attach"):
        forecast(plain.isel(time=0), plain)


def test_forcing_of_another_length():
    plain = DATA[NAMES].rename(face="cell")
    with pytest.raises(InputError, match=r"no dimension is as long as the mesh has faces \(72\)"):
        forecast(DATA.isel(time=0), plain.isel(cell=slice(0, 50)))


# Ensembles of initial states


def ensemble_of(count: int, dim: str) -> xr.Dataset:
    """Initial states with concentrations 0.9, 0.8, ..."""
    state = DATA.isel(time=0)
    sic = xr.concat([xr.full_like(state["sic"], 0.9 - 0.1 * number) for number in range(count)], dim)
    return state.assign(sic=sic)


@pytest.mark.parametrize("dim", ["trajectory", "member"])
@pytest.mark.parametrize(("count", "members"), [(3, 3), (3, 5), (3, 2)])
def test_each_member_starts_from_its_own_state(dim, count, members, caplog):
    caplog.set_level(logging.INFO)
    came = forecast(ensemble_of(count, dim), DATA, members=members, batch=2)
    first = came["sic"].isel(lead_time=0)
    np.testing.assert_allclose(
        first.max("face"), [0.9 - 0.1 * (number % count) for number in range(members)], rtol=1e-6
    )
    assert f"{members} members start from {min(count, members)} states of the initial ensemble" in caplog.text


def test_a_member_of_an_ensemble_is_the_forecast_from_its_state():
    """The same noise and the same state give the same member, whatever the others start from."""
    came = forecast(ensemble_of(3, "trajectory"), DATA)
    for number in range(3):
        alone = forecast(DATA.isel(time=0).assign(sic=ensemble_of(3, "trajectory")["sic"][number]), DATA)
        np.testing.assert_allclose(came["siu"][number], alone["siu"][number], atol=1e-5)


def test_a_deterministic_twin_has_a_member_for_each_state():
    twin = random_surrogate(deterministic=True)
    came = twin.forecast(ensemble_of(3, "trajectory"), DATA, steps=1, members=16, progress=False)
    assert came.sizes["member"] == 3
    assert float(came["siu"].isel(lead_time=1).std("member").max()) > 0


def test_a_forecast_goes_on_from_a_forecast(expected):
    """The last states of a forecast are an ensemble of initial states at their valid time."""
    came = forecast(expected.isel(lead_time=1), DATA, steps=1)
    np.testing.assert_array_equal(came["sic"].isel(lead_time=0), expected["sic"].isel(lead_time=1))
    assert came["valid_time"].values[0] == expected["valid_time"].values[1]
