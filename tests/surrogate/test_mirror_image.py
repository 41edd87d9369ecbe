"""Models of one hemisphere on meshes of the other: a mirror image has the mirror image of the forecast."""

import logging
import math

import numpy as np
import pytest
import torch
import xarray as xr
from support.examples import small_trajectory
from support.meshes import jittered_box
from support.places import ROOT
from support.surrogates import MESH, random_surrogate

import gensim_graph as gg
from gensim_graph.evaluate.explain.input_response import mean_step
from gensim_graph.io import open_store
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate, hemisphere_of, hemisphere_of_all
from gensim_graph.train import plan_training

NORTH_PLANE, SOUTH_PLANE = "EPSG:3413", "EPSG:3976"
Y_COMPONENTS = ("siv", "vas")
SOUTHERN_OCEAN = ROOT.parent / "shared" / "cases" / "05-msh-southern-ocean" / "southern_ocean.msh"


def placed(crs: str | None, mirrored: bool = False) -> Mesh:
    """The small box a thousand kilometres from the pole, or its mirror image."""
    nodes = MESH.nodes + 1e6
    faces = MESH.faces[:, ::-1] if mirrored else MESH.faces
    return Mesh.from_faces(nodes * [1, -1] if mirrored else nodes, faces, crs)


NORTH, SOUTH = placed(NORTH_PLANE), placed(SOUTH_PLANE, mirrored=True)


def data_on(mesh: Mesh, mirrored: bool = False) -> xr.Dataset:
    """The same fields on both meshes; those of the mirror image have their vectors reflected."""
    ds = small_trajectory(NORTH, hours=24)[["sit", "sic", "sid", "siu", "siv", "uas", "vas"]]
    if mirrored:
        ds = ds.assign({name: -ds[name] for name in Y_COMPONENTS})
    return gg.attach(mesh, ds)


def model_of(hemisphere: str | None, deterministic: bool = False) -> Surrogate:
    model = random_surrogate(deterministic)
    if hemisphere is not None:
        model.information["hemisphere"] = hemisphere
    return model


def forecast(model: Surrogate, ds: xr.Dataset) -> xr.Dataset:
    return model.forecast(ds.isel(time=0), ds, steps=3, members=2, progress=False)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("trained", ["north", "south"])
def test_the_mirror_image_has_the_mirrored_forecast(trained, deterministic):
    model = model_of(trained, deterministic)
    north, south = forecast(model, data_on(NORTH)), forecast(model, data_on(SOUTH, mirrored=True))
    for name in ("sit", "sic", "sid", "siu", "siv"):
        sign = -1 if name in Y_COMPONENTS else 1
        np.testing.assert_allclose(south[name], sign * north[name], atol=2e-5)
    assert float(np.abs(north["siv"].isel(lead_time=-1)).mean()) > 0.01


def test_without_the_mirror_the_forecast_is_another():
    """A model is not symmetric by itself: reflections are other physics."""
    model = model_of("north")
    mirrored = forecast(model, data_on(SOUTH, mirrored=True))
    model.mirror = "never"
    plain = forecast(model, data_on(SOUTH, mirrored=True))
    assert float(np.abs(plain["siv"] - mirrored["siv"]).max()) > 0.01


def test_always_and_never():
    model = model_of(None)
    auto = forecast(model, data_on(SOUTH, mirrored=True))
    model.mirror = "always"
    always = forecast(model, data_on(SOUTH, mirrored=True))
    model = model_of("north")
    np.testing.assert_array_equal(always["siu"], forecast(model, data_on(SOUTH, mirrored=True))["siu"])
    model.mirror = "never"
    np.testing.assert_array_equal(auto["siu"], forecast(model, data_on(SOUTH, mirrored=True))["siu"])


@pytest.mark.parametrize(
    ("trained", "mesh", "words"),
    [
        ("north", SOUTH, "computed in the mirror image"),
        ("north", NORTH, ""),
        ("south", NORTH, "computed in the mirror image"),
        ("north", placed(None), ""),
        (None, placed(None), ""),
        (None, NORTH, ""),
        (None, SOUTH, "that of the training data is not recorded"),
        ("both", SOUTH, ""),
    ],
)
def test_what_is_said(caplog, trained, mesh, words):
    """One line; idealised planes, and meshes in the hemisphere of the training, say nothing."""
    caplog.set_level(logging.INFO)
    model_of(trained).plan(mesh)
    said = [record.message for record in caplog.records if "hemisphere" in record.message]
    assert len(said) == bool(words)
    assert words in "".join(said)


def test_hemispheres():
    axis = np.arange(-4, 4) * 1.2e6 + 0.6e6
    equator = Mesh.from_grid(axis / 4, axis / 4, crs="+proj=stere +lat_0=0 +lon_0=0 +datum=WGS84 +units=m")
    assert [hemisphere_of(mesh) for mesh in (NORTH, SOUTH, placed(None), equator)] == ["north", "south", None, "both"]
    assert hemisphere_of_all([NORTH, placed(None)]) == "north"
    assert hemisphere_of_all([NORTH, SOUTH]) == "both"
    assert hemisphere_of_all([placed(None)]) is None


def test_sensitivities_know_the_mirror():
    """The mean step, which the report differentiates, is mirrored like a forecast."""
    model = model_of("north", deterministic=True)
    steps = {}
    for mesh, mirrored in ((NORTH, False), (SOUTH, True)):
        ds = data_on(mesh, mirrored)
        drivers = model.drivers(ds, mesh, [ds["time"].values[0]], 1)
        now, then = drivers.at(ds["time"].values[0]), drivers.at(ds["time"].values[2])
        inputs = (model.first_state(ds.isel(time=0)), *map(torch.from_numpy, (now.forcing, then.forcing, now.slow)))
        steps[mirrored] = mean_step(model, *(values[None] for values in inputs), mesh).detach()
    signs = torch.tensor([-1.0 if one.name in Y_COMPONENTS else 1.0 for one in model.normaliser.table.state])
    torch.testing.assert_close(steps[True], steps[False] * signs, atol=2e-5, rtol=1e-5)


def test_the_model_that_ships_is_northern():
    model = Surrogate.load("small")
    assert model.information["hemisphere"] == "north"
    assert model.is_mirrored_on(SOUTH)
    assert not model.is_mirrored_on(NORTH)


def test_a_genuine_mesh_of_the_southern_ocean():
    if not SOUTHERN_OCEAN.exists():
        pytest.skip(f"no genuine mesh at {SOUTHERN_OCEAN}")
    mesh = gg.load_mesh(SOUTHERN_OCEAN)
    model = model_of("north")
    ds = open_store(small_trajectory(mesh, hours=12))
    came = model.forecast(ds.isel(time=0), ds, steps=1, members=1, progress=False)
    assert model.is_mirrored_on(mesh)
    assert np.isfinite(came["siu"].values).all()
    assert -80 < float(came["lat"].min()) < float(came["lat"].max()) < -50


def test_the_hemisphere_of_the_training_data_is_recorded():
    """The plan has the meshes; :func:`train` writes their hemisphere beside the weights."""
    plan = plan_training(data=data_on(SOUTH, mirrored=True))
    assert hemisphere_of_all([part.mesh for part in plan.data]) == "south"


def test_a_turned_mesh_stays_in_its_hemisphere():
    """Any position around the pole: the sign of the latitude counts, not the axes of the plane."""
    for angle in np.linspace(0, 2 * math.pi, 5):
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        mesh = Mesh.from_faces((jittered_box(4).nodes + 5e5) @ turn, jittered_box(4).faces, SOUTH_PLANE)
        assert hemisphere_of(mesh) == "south"
