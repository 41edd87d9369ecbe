"""The pictures of a report: which start, member and lead times are shown, and what each picture says in words."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gensim_graph.evaluate.figures import deformation_maps, forecast_maps, mesh_figure, score_curves
from gensim_graph.evaluate.maps import STYLE
from gensim_graph.evaluate.matching import Verification
from gensim_graph.mesh.deformation import deformation
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, vector_pairs

SHOWN_LEADS = 4
SECONDS_PER_DAY = 86_400.0


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
        "Lower is better for RMSE and CRPS; a spread-skill ratio of one (dotted) is that of a consistent ensemble.",
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
        rates = {name: deformation(self._mesh, u, v) for name, (u, v) in sources.items()}
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
