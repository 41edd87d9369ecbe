"""The surrogate: saved and loaded, forecasts in bounds, reproducible members, errors before the first step."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file, save_file
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box
from support.surrogates import DATA, MESH, TABLE, random_surrogate

from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.surrogate import Surrogate

FORECAST = ["sit", "sic", "sid", "siu", "siv"]


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return random_surrogate()


@pytest.fixture(scope="module")
def forecast(surrogate) -> xr.Dataset:
    return surrogate.forecast(DATA.isel(time=0), DATA, steps=2, members=4, seed=0)


# The forecast


def test_dimensions_of_a_forecast(forecast):
    assert {name: forecast[name].dims for name in FORECAST} == dict.fromkeys(FORECAST, ("member", "lead_time", "face"))
    assert forecast["sit"].shape == (4, 3, MESH.n_faces)


@pytest.mark.parametrize("count", [1, 2])
def test_every_start_has_its_times(surrogate, count):
    """A list with a single time is a dimension too."""
    starts = surrogate.forecast(DATA.isel(time=list(range(count))), DATA, steps=1, members=2)
    expected = DATA["time"].values[:count, None] + np.array([0, 6]) * np.timedelta64(1, "h")
    assert starts["valid_time"].dims == ("start", "lead_time")
    np.testing.assert_array_equal(starts["valid_time"].values, expected)
    np.testing.assert_array_equal(starts["initial_time"].values, DATA["time"].values[:count])


def test_the_forecast_begins_with_the_initial_state(forecast):
    for name in FORECAST:
        expected = np.broadcast_to(DATA[name][0], (4, MESH.n_faces))
        np.testing.assert_array_equal(forecast[name].isel(lead_time=0), expected)


def test_times_of_a_forecast(forecast):
    hour = np.timedelta64(1, "h")
    assert (forecast["lead_time"].values / hour).tolist() == [0, 6, 12]
    np.testing.assert_array_equal(forecast["valid_time"], DATA["time"][[0, 2, 4]])


def test_the_mesh_rides_along(forecast):
    assert mesh_from_dataset(forecast).hash == MESH.hash


def test_units_ride_along(forecast):
    assert {name: forecast[name].attrs["units"] for name in FORECAST} == {name: TABLE[name].units for name in FORECAST}


def test_absent_variables_are_not_forecast(forecast):
    assert "snt" not in forecast


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("size", [0.3, 3.0])
@pytest.mark.parametrize("name", ["sit", "sic", "sid"])
def test_forecasts_stay_in_bounds_exactly(name, size, deterministic):
    wild = random_surrogate(deterministic, size)
    values = wild.forecast(DATA.isel(time=0), DATA, steps=3, members=3)[name].values
    assert np.isfinite(values).all()
    assert values.min() >= TABLE[name].lower
    assert values.max() <= TABLE[name].upper


def test_members_differ(forecast):
    later = forecast["siu"].isel(lead_time=1)
    assert float(later.std("member").mean()) > 0.01


def test_seeds_differ(surrogate, forecast):
    other = surrogate.forecast(DATA.isel(time=0), DATA, steps=1, members=1, seed=1)
    assert not np.allclose(other["siu"][0, 1], forecast["siu"][0, 1])


@pytest.mark.parametrize(("members", "batch"), [(4, 1), (4, 3), (2, 8)])
def test_a_member_does_not_depend_on_the_others(surrogate, forecast, members, batch):
    """The number of members and the batch size change a member by rounding only."""
    other = surrogate.forecast(DATA.isel(time=0), DATA, steps=2, members=members, seed=0, batch=batch)
    np.testing.assert_allclose(other["siu"], forecast["siu"][:members], atol=1e-4)


def test_the_same_call_gives_the_same_forecast(surrogate, forecast):
    again = surrogate.forecast(DATA.isel(time=0), DATA, steps=2, members=4, seed=0)
    xr.testing.assert_identical(again, forecast)


def test_the_deterministic_twin_has_one_member():
    twin = random_surrogate(deterministic=True)
    assert twin.forecast(DATA.isel(time=0), DATA, steps=1, members=4).sizes["member"] == 1


def test_several_times_become_starts(surrogate):
    came = surrogate.forecast(DATA.isel(time=[0, 1]), DATA, steps=2, members=2)
    assert came["sit"].dims == ("start", "member", "lead_time", "face")
    assert came["valid_time"].dims == ("start", "lead_time")
    np.testing.assert_array_equal(came["initial_time"], DATA["time"][:2])


def test_a_start_is_the_forecast_from_its_time(surrogate):
    came = surrogate.forecast(DATA.isel(time=[0, 1]), DATA, steps=1, members=2)
    alone = surrogate.forecast(DATA.isel(time=1), DATA, steps=1, members=2)
    np.testing.assert_allclose(came["siu"][1], alone["siu"], atol=1e-6)


def test_forecasts_on_another_mesh(surrogate):
    other = open_store(small_trajectory(regular_grid(9), hours=24))
    came = surrogate.forecast(other.isel(time=0), other, steps=2, members=2)
    assert came["sic"].shape == (2, 3, 81)
    assert 0 <= came["sic"].values.min() <= came["sic"].values.max() <= 1


def test_the_wind_matters(surrogate, forecast):
    calm = DATA.assign({name: 0 * DATA[name] for name in ("uas", "vas")})
    other = surrogate.forecast(DATA.isel(time=0), calm, steps=1, members=1)
    assert not np.allclose(other["siu"][0, 1], forecast["siu"][0, 1])


# Saving


@pytest.fixture
def saved(surrogate, tmp_path):
    surrogate.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_gives_the_same_forecast(saved, forecast):
    again = Surrogate.load(saved).forecast(DATA.isel(time=0), DATA, steps=2, members=4, seed=0)
    assert again.attrs["model_name"] == "model"
    xr.testing.assert_identical(again.assign_attrs(model_name=forecast.attrs["model_name"]), forecast)


def test_a_saved_model_keeps_everything(saved, surrogate):
    loaded = Surrogate.load(saved)
    assert loaded.normaliser.table == surrogate.normaliser.table
    assert loaded.normaliser.statistics == surrogate.normaliser.statistics
    assert (loaded.sampler, loaded.deterministic) == (surrogate.sampler, surrogate.deterministic)
    assert loaded.information == surrogate.information
    assert loaded.operator.config == surrogate.operator.config


def test_saving_replaces_what_was_there(saved):
    random_surrogate(deterministic=True).save(saved)
    assert Surrogate.load(saved).deterministic
    assert sorted(path.name for path in saved.iterdir()) == ["surrogate.json", "weights.safetensors"]


def test_loading_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no trained model here"):
        Surrogate.load(tmp_path / "absent")


def test_loading_another_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="no trained model here"):
        Surrogate.load(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_weights(saved, share):
    path = saved / "weights.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"weights\.safetensors: cannot be read"):
        Surrogate.load(saved)


def test_missing_weights(saved):
    (saved / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors: cannot be read"):
        Surrogate.load(saved)


def test_weights_of_another_size(saved):
    description = json.loads((saved / "surrogate.json").read_text())
    description["operator"]["width"] = 32
    (saved / "surrogate.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"weights\.safetensors: cannot be read"):
        Surrogate.load(saved)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_description(saved, share):
    path = saved / "surrogate.json"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"surrogate\.json: cannot be read.*complete\?"):
        Surrogate.load(saved)


@pytest.mark.parametrize("version", [0, 1, None])
def test_another_format_version(saved, version):
    description = json.loads((saved / "surrogate.json").read_text()) | {"format_version": version}
    (saved / "surrogate.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=f"format version {version}, this installation reads 2"):
        Surrogate.load(saved)


@pytest.mark.parametrize("content", ["{}", "[1, 2]", '{"format": "another"}'])
def test_a_foreign_description(saved, content):
    (saved / "surrogate.json").write_text(content)
    with pytest.raises(InputError, match="not the description of a gensim-graph model"):
        Surrogate.load(saved)


@pytest.mark.parametrize("key", ["operator", "statistics", "variables", "sampler"])
def test_a_description_with_a_part_missing(saved, key):
    description = json.loads((saved / "surrogate.json").read_text())
    del description[key]
    (saved / "surrogate.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=rf"surrogate\.json: .*{key}"):
        Surrogate.load(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operator", "text"),
        ("variables", 1.0),
        ("statistics", []),
        ("sampler", None),
        ("information", 3),
        ("statistics__values__sic", ["0", 1.0]),
        ("statistics__values__sic", [0.0, None]),
    ],
)
def test_a_description_with_a_part_of_another_kind(saved, key, value):
    changed(saved, **{key: value})
    with pytest.raises(InputError, match=r"surrogate\.json: "):
        Surrogate.load(saved)


def test_a_bit_of_the_weights_that_has_flipped(saved):
    """The number is still finite; only the hash in the description shows the damage. Models without a hash load."""
    path = saved / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors: is not the file that was saved"):
        Surrogate.load(saved)

    description = json.loads((saved / "surrogate.json").read_text())
    del description["weights_hash"]
    (saved / "surrogate.json").write_text(json.dumps(description))
    Surrogate.load(saved)


# What is refused


def test_forcing_that_ends_too_early(surrogate):
    with pytest.raises(
        InputError, match=r"forcing: no values at 2000-01-01T12:00.*from 2000-01-01T00:00 to 2000-01-01T09"
    ):
        surrogate.forecast(DATA.isel(time=0), DATA.isel(time=slice(0, 4)), steps=2)


def test_forcing_that_begins_too_late(surrogate):
    with pytest.raises(InputError, match="forcing: no values at 2000-01-01T00:00"):
        surrogate.forecast(DATA.isel(time=0), DATA.isel(time=slice(1, None)), steps=1)


def test_forcing_without_a_variable(surrogate):
    with pytest.raises(InputError, match="forcing: uas, vas missing"):
        surrogate.forecast(DATA.isel(time=0), DATA.drop_vars(["uas", "vas"]), steps=1)


@pytest.mark.parametrize("name", ["sit", "sic", "siu"])
def test_an_initial_state_without_a_variable(surrogate, name):
    with pytest.raises(InputError, match=f"initial state: {name} missing"):
        surrogate.forecast(DATA.isel(time=0).drop_vars(name), DATA, steps=1)


def test_forcing_on_another_mesh(surrogate):
    other = open_store(small_trajectory(regular_grid(9), hours=24))
    with pytest.raises(InputError, match=r"forcing.*81.*72"):
        surrogate.forecast(DATA.isel(time=0), other, steps=1)


def test_a_rollout_takes_one_time(surrogate):
    with pytest.raises(InputError, match="expected one time, came 2"):
        next(surrogate.rollout(DATA.isel(time=[0, 1]), DATA, steps=1))


def test_forcing_on_another_mesh_with_as_many_faces(surrogate):
    here, there = (small_trajectory(jittered_box(seed=seed)) for seed in (0, 5))
    assert here.sizes["face"] == there.sizes["face"]
    with pytest.raises(InputError, match="another mesh"):
        surrogate.forecast(here.isel(time=0), there, steps=1, members=1)


def test_an_operator_of_an_unknown_kind(saved):
    path = saved / "surrogate.json"
    description = json.loads(path.read_text())
    description["operator"]["colour"] = "blue"
    path.write_text(json.dumps(description))
    with pytest.raises(InputError, match="colour"):
        Surrogate.load(saved)


# Models that cannot forecast


def changed(folder, **values: object):
    """Replace entries of the description; keys are paths with two underscores between."""
    path = folder / "surrogate.json"
    description = json.loads(path.read_text())
    for key, value in values.items():
        *above, last = key.split("__")
        part = description
        for name in above:
            part = part[name]
        part[last] = value
    path.write_text(json.dumps(description))
    return folder


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("statistics__lead_hours", 0.0, "lead_hours: expected a time above 0"),
        ("statistics__lead_hours", -12.0, "lead_hours: expected a time above 0"),
        ("statistics__values__sit", [0.5, 0.0], r"statistics\.values\.sit: expected a finite mean"),
        ("statistics__residuals__sic", [float("nan"), 1.0], r"statistics\.residuals\.sic: expected a finite mean"),
        ("statistics__residuals__siu", [0.0, -1.0], r"statistics\.residuals\.siu"),
    ],
)
def test_statistics_that_allow_no_forecast(surrogate, tmp_path, key, value, message):
    surrogate.save(tmp_path / "model")
    with pytest.raises(InputError, match=message):
        Surrogate.load(changed(tmp_path / "model", **{key: value}))


def test_weights_that_are_not_finite(surrogate, tmp_path):
    surrogate.save(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "weights.safetensors")
    name = next(iter(weights))
    weights[name] = weights[name] * float("nan")
    save_file(weights, tmp_path / "model" / "weights.safetensors")
    with pytest.raises(InputError, match="not finite"):
        Surrogate.load(tmp_path / "model")


def test_sizes_are_compared_with_the_weights_before_memory_is_taken(surrogate, tmp_path):
    """A description of petabytes is refused at once."""
    surrogate.save(tmp_path / "model")
    huge = changed(tmp_path / "model", operator__width=80_000_000)
    with pytest.raises(InputError, match=r"cannot be read into the network"):
        Surrogate.load(huge)


def test_a_forecast_that_is_not_finite_is_an_error(surrogate):
    """Not a store of NaN that looks like success."""
    time = DATA["time"].values[0]
    forcing = surrogate.drivers(DATA, MESH, [time], 1)
    state = torch.full((1, MESH.n_faces, len(TABLE.select("state"))), float("nan"))
    with pytest.raises(InputError, match=r"step 1\) is not finite"):
        surrogate.advance(state, forcing, time, 0, range(1), 0, surrogate.plan(MESH))
