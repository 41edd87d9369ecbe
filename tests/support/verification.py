"""Small forecasts and truths by hand."""

import numpy as np
import xarray as xr

START = np.datetime64("2000-01-01", "ns")


STEP = np.timedelta64(12, "h")


def forecast_of(values: np.ndarray, name: str = "sit") -> xr.Dataset:
    """Values (start, member, lead_time, face) of one variable; starts are a day apart."""
    starts = START + np.arange(values.shape[0]) * np.timedelta64(24, "h")
    leads = (np.arange(values.shape[2]) + 1) * STEP
    coords = {"lead_time": leads, "valid_time": (("start", "lead_time"), starts[:, None] + leads), "start": starts}
    return xr.Dataset({name: (("start", "member", "lead_time", "face"), values)}, coords)


def truth_of(values: np.ndarray, name: str = "sit") -> xr.Dataset:
    """Values (time, face) every 12 h from the first start on."""
    return xr.Dataset({name: (("time", "face"), values)}, {"time": START + np.arange(len(values)) * STEP})
