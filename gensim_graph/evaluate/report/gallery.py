"""The pictures of a report: which start, member and lead times are shown, and what each picture says in words."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from gensim_graph.units import SECONDS_PER_DAY
from gensim_graph.evaluate.physics import volume_budget
from gensim_graph.evaluate.pictures import score_curves
from gensim_graph.evaluate.physics import EVENTS, detect_events
from gensim_graph.evaluate.pictures import deformation_maps, forecast_maps, mesh_figure
from gensim_graph.evaluate.pictures import STYLE
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.pictures import budget_maps, event_maps, stamp_maps
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, vector_pairs

SHOWN_LEADS, MOST_STAMPS = 4, 23
STAMPED = ("sic", "sid")


@dataclass(frozen=True)
class Picture:
    """One figure of a report, inside the page.

    Attributes:
        figure: drawn once, at construction.
        heading, caption: shown above and below it.
        alt: what it shows, for those who do not see it.
        source: the image as a data URL, filled in from ``figure``.
    """

    figure: Figure = field(repr=False)
    heading: str
    caption: str
    alt: str
    source: str = field(init=False, repr=False)
    kind: str = "picture"

    def __post_init__(self) -> None:
        stream = BytesIO()
        self.figure.savefig(stream, format="png", dpi=STYLE["savefig.dpi"], metadata={"Software": None})
        object.__setattr__(self, "source", "data:image/png;base64," + b64encode(stream.getvalue()).decode("ascii"))


def shown_leads(count: int) -> list[int]:
    """Positions of the lead times that maps show: at most four, first and last among them."""
    return sorted({int(position) for position in np.linspace(0, count - 1, SHOWN_LEADS).round()})


def curves(scores: pd.DataFrame, variables: Sequence[Variable]) -> Picture:
    """Scores over lead time."""
    models = ", ".join(scores["model"].unique())
    names = ", ".join(variable.name for variable in variables)

    return Picture(
        score_curves(scores, {variable.name: variable.units for variable in variables}),
        "Scores over lead time",
        "Lower is better for RMSE and CRPS; a spread-skill ratio of one (dotted) is that of a consistent ensemble. "
        "Bands are bootstrap intervals of 90 %.",
        f"Curves of RMSE, fair CRPS and spread-skill ratio over lead time for {names}; one line each for {models}. "
        "The numbers are in the table of all scores.",
    )


def mesh_picture(mesh: Mesh) -> Picture:
    """The mesh."""
    low, middle, high = np.quantile(mesh.spacing * 1e-3, [0.0, 0.5, 1.0])
    kinds = " and ".join(np.unique(mesh.boundary_kind))

    return Picture(
        mesh_figure(mesh),
        "Mesh",
        f"{mesh.n_faces:,} faces over {mesh.n_nodes:,} nodes.",
        f"Map of the cell spacing with the {kinds} boundary, and a histogram of the spacing: from {low:.3g} to "
        f"{high:.3g} km, median {middle:.3g} km.",
    )


class Gallery:
    """Maps of one start of a forecast: truth, first member, ensemble mean and spread."""

    def __init__(self, matched: Verification, mesh: Mesh, start: int = 0) -> None:
        self._matched, self._mesh, self._start = matched, mesh, start
        self._positions = shown_leads(len(matched.lead_hours))
        self._hours = [float(matched.lead_hours[position]) for position in self._positions]
        self._when = ", ".join(f"+{hours:g} h" for hours in self._hours)
        self._columns = "truth, one member, ensemble mean and spread" if matched.members > 1 else "truth and forecast"

    def variables(self) -> Iterator[Picture]:
        """A picture a state variable, and one of the drift with arrows for every vector pair."""
        for variable in self._matched.variables:
            truth, ensemble = self._fields(variable.name)
            figure = forecast_maps(self._mesh, truth, *self._statistics(ensemble), variable, self._hours)
            yield self._picture(figure, variable)

        for x, y in vector_pairs(self._matched.variables):
            yield self._drift(self._matched.variables[x], self._matched.variables[y])

    def deformation(self) -> Iterator[Picture]:
        """Total deformation and divergence, where there is a drift."""
        if not {"siu", "siv"} <= {variable.name for variable in self._matched.variables}:
            return

        truth, members = zip(self._fields("siu"), self._fields("siv"), strict=True)
        sources = {"truth": truth, "one member": tuple(component[0] for component in members)}
        if self._matched.members > 1:
            sources["ensemble mean"] = tuple(component.mean(axis=0) for component in members)

        rates = {name: compute_deformation(self._mesh, u, v) for name, (u, v) in sources.items()}
        captions = {
            "total_deformation": "Sea ice deforms in narrow bands; the ensemble mean blurs them, a member must not.",
            "divergence": "Positive where the ice opens, negative where it closes.",
        }

        for quantity, caption in captions.items():
            attribute = "total" if quantity == "total_deformation" else quantity
            fields = {name: getattr(rate, attribute) * SECONDS_PER_DAY for name, rate in rates.items()}
            name = quantity.replace("_", " ")
            figure = deformation_maps(self._mesh, fields, quantity, self._hours)
            alt = f"Maps of the {name} of the drift on the native faces at {self._when}: {', '.join(fields)}."
            yield Picture(figure, name.capitalize(), caption, alt)

    def stamps(self) -> Iterator[Picture]:
        """All members at the last lead time, of what differs most among them."""
        members = min(self._matched.members, MOST_STAMPS)
        if members < 2:
            return

        lead = len(self._matched.lead_hours) - 1
        for variable in self._matched.variables:
            if variable.name not in STAMPED:
                continue

            ensemble, truth = self._matched.pair(variable.name, self._start, lead)
            figure = stamp_maps(self._mesh, truth, ensemble[:members], variable)
            when = f"+{self._matched.lead_hours[lead]:g} h"

            yield Picture(
                figure,
                f"{variable.name} of {members} members, {when}",
                "The truth is framed. It should not stand out: members are as sharp, and differ among each other.",
                f"Small maps of {variable.name} at {when}: the truth and {members} members in one colour scale.",
            )

    def processes(self) -> Iterator[Picture]:
        """Events and the volume budget, where the truth holds the start and there is a drift."""
        if not self._matched.has_start or not self._matched.has("sit", "siu", "siv"):
            return

        ours = "one member" if self._matched.members > 1 else "forecast"
        sources = {"truth": None, ours: 0}

        if self._matched.has("sid"):
            events = {
                source: [
                    detect_events(self._interval(member, lead), self._mesh).isel(time=0) for lead in self._positions
                ]
                for source, member in sources.items()
            }
            chosen = {
                source: {name: np.stack([at[name].values for at in found]) for name in EVENTS}
                for source, found in events.items()
            }
            yield Picture(
                event_maps(self._mesh, chosen, self._hours),
                "Opening, ridging and healing",
                "Since the lead time before. Opening: divergence above 0.02 a day and the ice thins; ridging: below "
                "-0.02 a day and it thickens; healing: neither, and damage falls.",
                f"Maps of where the ice opens, ridges or heals at {self._when}, in the truth and in the forecast.",
            )

        terms = {
            source: self._budget(self._interval(member, self._positions[-1])) for source, member in sources.items()
        }
        yield Picture(
            budget_maps(self._mesh, terms, "ice volume per area (m day⁻¹)"),
            "Volume budget",
            f"Over the interval that ends at +{self._hours[-1]:g} h: the change, what the drift brings (advection) and "
            "packs together (convergence), and the rest: growth and melt, and what the estimate from a drift at both "
            "ends of the interval misses.",
            "Maps of the terms of the volume budget in truth and forecast: change, advection, convergence and rest.",
        )

    def _budget(self, interval: xr.Dataset) -> dict[str, Array]:
        found = volume_budget(interval, mesh=self._mesh).isel(time=0)
        return {term: found[term].values for term in ("change", "advection", "convergence", "rest")}

    def _interval(self, member: int | None, lead: int) -> xr.Dataset:
        """Truth, or a member, at a lead time and the one before: (time, face)."""
        matched, start = self._matched, self._start

        def at(name: str, position: int) -> Array:
            if position < 0:
                return matched.initial(name, start)
            if member is None:
                return matched.truth_at(name, start, position)
            return matched.ensemble_at(name, start, position)[member]

        names = [name for name in ("sit", "sid", "siu", "siv") if matched.has(name)]
        values = {name: (("time", "face"), np.stack([at(name, lead - 1), at(name, lead)])) for name in names}
        times = [matched.start_times[start], *matched.valid_times[start]]

        return xr.Dataset(values, {"time": times[lead : lead + 2]})

    def _fields(self, name: str) -> tuple[Array, Array]:
        """Truth (lead_time, face) and ensemble (member, lead_time, face) at the shown lead times."""
        pairs = [self._matched.pair(name, self._start, position) for position in self._positions]
        return np.stack([truth for _, truth in pairs]), np.stack([members for members, _ in pairs], axis=1)

    def _statistics(self, ensemble: Array) -> tuple[Array, Array, Array | None]:
        spread = ensemble.std(axis=0, ddof=1) if len(ensemble) > 1 else None
        return ensemble[0], ensemble.mean(axis=0), spread

    def _drift(self, x: Variable, y: Variable) -> Picture:
        (truth_u, u), (truth_v, v) = self._fields(x.name), self._fields(y.name)
        arrows = {"truth": (truth_u, truth_v), "member": (u[0], v[0]), "mean": (u.mean(axis=0), v.mean(axis=0))}
        truth, member, mean = (np.hypot(*components) for components in arrows.values())
        spread = np.sqrt(u.var(axis=0, ddof=1) + v.var(axis=0, ddof=1)) if len(u) > 1 else None
        variable = Variable(f"{x.name}, {y.name}", "state", x.units, "speed and direction")
        figure = forecast_maps(self._mesh, truth, member, mean, spread, variable, self._hours, arrows)

        return self._picture(figure, variable)

    def _picture(self, figure: Figure, variable: Variable) -> Picture:
        meaning = variable.long_name or variable.name
        return Picture(
            figure,
            f"{variable.name}: {meaning}",
            "Truth and forecast share one colour scale.",
            f"Maps of {variable.name} ({meaning}) on the native faces at {self._when}: {self._columns}.",
        )
