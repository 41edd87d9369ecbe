"""Pictures of processes: maps of the events and of the volume budget, in the truth and in one member."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from gensim_graph.evaluate.physics import EVENTS, WRITTEN_BUDGET, detect_events, volume_budget
from gensim_graph.evaluate.pictures import budget_maps, event_maps
from gensim_graph.evaluate.report.parts import Picture
from gensim_graph.evaluate.report.shown_start import ShownStart
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_TERMS = ("change", "advection", "convergence", "rest")

_OF_THE_STEP = (
    " This forecast has written transport and source of its steps, and they are shown in place of the estimate: its "
    "rest is exactly what the model has added; advection is its transport without the convergence of the drift."
)


def process_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield maps of events and volume budget, if there is a drift and the truth contains the start."""
    if not shown.matched.has_start or not shown.matched.has("sit", "siu", "siv"):
        return

    sources = {"truth": None, "one member" if shown.has_members else "forecast": 0}
    if shown.matched.has("sid"):
        yield _event_picture(shown, sources)

    yield _budget_picture(shown, sources)


def _event_picture(shown: ShownStart, sources: dict[str, int | None]) -> Picture:
    """Events at all shown lead times; ``sources``: heading -> number of the member, None for the truth."""
    events = {source: _events(shown, member) for source, member in sources.items()}

    return Picture(
        event_maps(shown.mesh, events, shown.hours),
        "Opening, ridging and healing",
        "Since the lead time before. Opening: divergence above 0.02 a day and the ice thins; ridging: below "
        "-0.02 a day and it thickens; healing: neither, and damage falls.",
        f"Maps of where the ice opens, ridges or heals at {shown.when}, in the truth and in the forecast.",
    )


def _events(shown: ShownStart, member: int | None) -> dict[str, Array]:
    """Event -> (lead_time, F), True where it happens."""
    found = [detect_events(shown.interval(member, position), shown.mesh).isel(time=0) for position in shown.positions]
    return {name: np.stack([at_lead[name].values for at_lead in found]) for name in EVENTS}


def _budget_picture(shown: ShownStart, sources: dict[str, int | None]) -> Picture:
    """Volume budget over the last interval; ``sources`` as for the events."""
    last = shown.positions[-1]
    budgets = {source: _budget(shown.interval(member, last), shown.mesh) for source, member in sources.items()}
    terms = {source: {term: found[term].values for term in _TERMS} for source, found in budgets.items()}
    is_written = any(found.attrs["method"] == WRITTEN_BUDGET for found in budgets.values())

    return Picture(
        budget_maps(shown.mesh, terms, "ice volume per area (m day⁻¹)"),
        "Volume budget",
        f"Over the interval that ends at +{shown.hours[-1]:g} h: the change, its parts from advection and convergence "
        "of the drift, and the rest. The rest is growth and melt, and the error of an estimate that knows the drift "
        "only at both ends of the interval." + (_OF_THE_STEP if is_written else ""),
        "Maps of the terms of the volume budget in truth and forecast: change, advection, convergence and rest.",
    )


def _budget(interval: xr.Dataset, mesh: Mesh) -> xr.Dataset:
    """Terms (F,) in m/day."""
    return volume_budget(interval, mesh=mesh).isel(time=0)
