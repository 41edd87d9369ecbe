"""Forcing on the device is read once a time, and states that are not finite are found without waiting."""

import copy
import pickle

import numpy as np
import pytest
import torch
from support.surrogates import DATA, MESH, TABLE, random_surrogate
from support.waiting import NoWaiting

from gensim_graph.data import as_forcing
from gensim_graph.errors import InputError
from gensim_graph.surrogate import FiniteWatch
from gensim_graph.surrogate.stepping import RecentDrivers

CPU, LEAD, START = torch.device("cpu"), np.timedelta64(6, "h"), DATA["time"].values[0]


def counted(forcing):
    """The same forcing, and the times at which it is read."""
    times, read = [], forcing.at

    def at(time, members):
        times.append(time)
        return read(time, members)

    forcing.at = at
    return forcing, times


def test_every_record_of_a_forecast_is_read_once():
    """Three steps of three batches need four records."""
    model = random_surrogate(size=0.1)
    forcing, times = counted(model.drivers(DATA, MESH, [START], 3))
    list(model.rollout(DATA.isel(time=0), forcing, steps=3, members=3, batch=1))
    assert times == [START + step * LEAD for step in range(4)]


def test_values_are_those_of_the_time_and_of_the_forcing():
    recent = RecentDrivers()
    other = DATA.copy()
    other["uas"] = other["uas"] + 1
    first, second = as_forcing(DATA, MESH, TABLE), as_forcing(other, MESH, TABLE)
    for forcing in (first, second, first):
        for time in (START, START + LEAD, START):
            came = recent.at(forcing, time, range(1), CPU)
            np.testing.assert_array_equal(came.forcing, forcing.at(time).forcing)
            np.testing.assert_array_equal(came.slow, forcing.at(time).slow)
            assert came.read.digest == forcing.at(time).digest


def test_nothing_is_kept_of_forcing_that_is_gone():
    recent = RecentDrivers()
    for shift in range(4):  # Python may give the next one the place of the last one
        data = DATA.copy()
        data["uas"] = data["uas"] + shift
        forcing = as_forcing(data, MESH, TABLE)
        np.testing.assert_array_equal(recent.at(forcing, START, range(1), CPU).forcing, forcing.at(START).forcing)


def test_models_that_have_forecast_can_be_copied():
    model = random_surrogate(size=0.1)
    list(model.rollout(DATA.isel(time=0), DATA, steps=1, members=1))
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(*(next(iter(one.operator.parameters())) for one in (model, same)))


def test_the_first_state_that_is_not_finite_is_named():
    watch, states = FiniteWatch(), torch.zeros(5, 2, 4, 6)
    states[2, 1, 3, 5], states[3] = torch.inf, torch.nan
    with NoWaiting():
        for step, state in enumerate(states):
            watch.look(state, START + step * LEAD, step + 10)
    with pytest.raises(InputError, match=r"from 2000-01-01T12:00 on \(step 13\) is not finite"):
        watch.check()


def test_states_are_judged_once():
    watch = FiniteWatch()
    watch.check()
    watch.look(torch.zeros(1, 4, 6), START, 0)
    watch.check()
    watch.look(torch.ones(1, 4, 6), START + LEAD, 1)
    watch.check()


def test_a_rollout_that_is_not_finite_is_an_error(monkeypatch):
    """Also on a device on which a step does not look at its state."""
    model = random_surrogate(size=0.1)
    step = type(model).advance

    def broken(self, state, forcing, time, number, *others):
        came = step(self, state, forcing, time, number, *others)
        return came * torch.nan if number == 1 else came

    monkeypatch.setattr(type(model), "advance", broken)
    states = model.rollout(DATA.isel(time=0), DATA, steps=3, members=2)
    assert np.isfinite(next(states)["sic"]).all()
    assert np.isfinite(next(states)["sic"]).all()
    with pytest.raises(InputError, match=r"from 2000-01-01T06:00 on \(step 2\) is not finite"):
        next(states)
