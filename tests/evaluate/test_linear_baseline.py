"""The regression finds known coefficients, and its forecast rotates with the frame."""

import numpy as np
import pytest
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate import LinearBaseline
from gensim_graph.variables import Variable, VariableTable, default_variables

TABLE = VariableTable(
    (
        Variable("sit", "state", "m", lower=0.0),
        Variable("siu", "state", "m s-1", vector="siv"),
        Variable("siv", "state", "m s-1", vector="siu"),
        Variable("tus", "forcing", "K"),
        Variable("uas", "forcing", "m s-1", vector="vas"),
        Variable("vas", "forcing", "m s-1", vector="uas"),
    )
)
HOURS = np.timedelta64(12, "h")
TIMES = np.datetime64("2000-01-01", "ns") + np.arange(5) * HOURS


def known_step(state: np.ndarray, forcing: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A change that the regression can express, with a turning angle between wind and ice."""
    drift, wind, next_wind = (x[1] + 1j * x[2] for x in (state, forcing, after))
    drift = drift - 0.4 * drift + (0.01 - 0.004j) * wind + 0.02j * next_wind
    speed = np.hypot(after[1], after[2])
    thickness = state[0] - 0.1 * state[0] + 2e-3 * (after[0] - 250.0) + 0.01 * speed
    return np.stack([thickness, drift.real, drift.imag])


def samples(count: int = 4, seed: int = 0) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        state = np.stack([rng.uniform(1, 3, 50), *rng.normal(0, 0.2, (2, 50))])
        forcing, after = (np.stack([rng.normal(250, 10, 50), *rng.normal(0, 8, (2, 50))]) for _ in range(2))
        rows.append((state, forcing, after, known_step(state, forcing, after)))
    return rows


def turned(values: np.ndarray, angle: float) -> np.ndarray:
    """The same fields in a rotated frame; channels 1 and 2 are the vector."""
    vector = (values[1] + 1j * values[2]) * np.exp(1j * angle)
    return np.stack([values[0], vector.real, vector.imag])


def test_regression_recovers_known_coefficients():
    model = LinearBaseline.fit(samples(), TABLE)
    np.testing.assert_allclose(model.vector_weights[:, 0], [-0.4, 0.01 - 0.004j, 0.02j], atol=1e-9)
    unseen = samples(1, seed=9)[0]
    np.testing.assert_allclose(model.step(*unseen[:3]), unseen[3], atol=1e-6)


def test_regression_equals_least_squares_of_numpy():
    rows = samples(3)
    noise = np.random.default_rng(5)
    rows = [(*row[:3], row[3] + 0.1 * noise.normal(size=row[3].shape)) for row in rows]
    model = LinearBaseline.fit(iter(rows), TABLE)
    matrix = np.concatenate([np.stack([x[1] + 1j * x[2] for x in row[:3]], axis=1) for row in rows])
    target = np.concatenate([(row[3] - row[0])[1] + 1j * (row[3] - row[0])[2] for row in rows])
    np.testing.assert_allclose(model.vector_weights[:, 0], np.linalg.lstsq(matrix, target)[0], rtol=1e-9)


@pytest.mark.parametrize("angle", [0.3, 2.0, np.pi])
def test_regression_turns_with_the_frame(angle: float):
    noise = np.random.default_rng(1)
    rows = [(*row[:3], row[3] + 0.1 * noise.normal(size=row[3].shape)) for row in samples()]
    model = LinearBaseline.fit(rows, TABLE)
    in_turned_frame = LinearBaseline.fit([tuple(turned(x, angle) for x in row) for row in rows], TABLE)
    unseen = samples(1, seed=3)[0][:3]
    expected = turned(model.step(*unseen), angle)
    np.testing.assert_allclose(model.step(*(turned(x, angle) for x in unseen)), expected, atol=1e-13)
    np.testing.assert_allclose(in_turned_frame.step(*(turned(x, angle) for x in unseen)), expected, atol=1e-9)


def test_absent_variables_are_harmless_and_bounds_hold():
    rows = [(s * [[1], [0], [0]], f * 0, a * 0, s * [[-1], [0], [0]]) for s, f, a, _ in samples()]
    model = LinearBaseline.fit(rows, TABLE)
    after = model.step(*rows[0][:3])
    assert np.isfinite(after).all()
    assert (after[0] == 0).all()  # the regression would give -sit
    assert (after[1:] == 0).all()


def dataset(seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    names = {"sit": 1.0, "siu": 0.1, "siv": 0.1, "tus": 250.0, "uas": 5.0, "vas": 5.0}
    fields = {name: (("time", "face"), rng.uniform(0.5, 1, (5, 6)) * size) for name, size in names.items()}
    return xr.Dataset(fields, {"time": TIMES})


def test_forecast_applies_the_step_again_and_again():
    model, data = LinearBaseline.fit(samples(), TABLE), dataset()
    forecast = model.forecast(data.isel(time=1), data, np.arange(1, 4) * HOURS)
    assert dict(forecast.sizes) == {"member": 1, "lead_time": 3, "face": 6}
    state = np.stack([data[name].values[1] for name in ("sit", "siu", "siv")])
    forcing = np.stack([data[name].values for name in ("tus", "uas", "vas")], axis=1)
    for lead in range(3):
        state = model.step(state, forcing[1 + lead], forcing[2 + lead])
        np.testing.assert_allclose(forecast["sit"].values[0, lead], state[0])
        np.testing.assert_allclose(forecast["siv"].values[0, lead], state[2])
    np.testing.assert_array_equal(forecast["valid_time"], TIMES[2:])


def test_lead_zero_is_the_initial_state():
    model, data = LinearBaseline.fit(samples(), TABLE), dataset()
    from_zero = model.forecast(data.isel(time=1), data, np.arange(3) * HOURS)
    np.testing.assert_array_equal(from_zero["siu"].values[0, 0], data["siu"].values[1])
    xr.testing.assert_identical(
        from_zero.isel(lead_time=slice(1, None)), model.forecast(data.isel(time=1), data, np.arange(1, 3) * HOURS)
    )


def test_several_starts_equal_one_after_the_other():
    model, data = LinearBaseline.fit(samples(), TABLE), dataset()
    leads = np.arange(1, 3) * HOURS
    together = model.forecast(data.isel(time=[0, 2]), data, leads)
    assert together["sit"].dims == ("start", "member", "lead_time", "face")
    for position, time in enumerate((0, 2)):
        alone = model.forecast(data.isel(time=time), data, leads)
        np.testing.assert_array_equal(together["siu"].isel(start=position), alone["siu"])
        np.testing.assert_array_equal(together["valid_time"].isel(start=position), alone["valid_time"])


def test_wrong_input_is_named():
    model, data = LinearBaseline.fit(samples(), TABLE), dataset()
    with pytest.raises(InputError, match=r"12, 36 h"):
        model.forecast(data.isel(time=0), data, np.array([1, 3]) * HOURS)
    with pytest.raises(InputError, match=r"got 0 h"):
        model.forecast(data.isel(time=0), data, np.array([0]) * HOURS)
    with pytest.raises(InputError, match="forcing: time 2000-01-03"):
        model.forecast(data.isel(time=3), data.isel(time=slice(0, 4)), np.array([1]) * HOURS)
    with pytest.raises(InputError, match="no pairs"):
        LinearBaseline.fit([], TABLE)
    with pytest.raises(InputError, match="channels"):
        LinearBaseline.fit(samples(), default_variables())
