"""Pictures of the state of the ice: maps of every variable, of all members, and of the deformation rates."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from gensim_graph.evaluate.pictures import animate, deformation_maps, forecast_maps, stamp_maps
from gensim_graph.evaluate.report.parts import Part, Picture, Text
from gensim_graph.evaluate.report.shown_start import ShownStart
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY
from gensim_graph.variables import Variable, vector_pairs

MOST_STAMPS = 23
"""Largest number of members in one picture."""

STAMPED = ("sic", "sid")
"""Variables of which all members are shown: those that differ most among them."""


def map_chapter(shown: ShownStart) -> Iterator[Part]:
    """Yield maps of every state variable, of all members, and an animation."""
    yield Text("The first start, on the native faces of the mesh.")
    yield from _state_pictures(shown)
    yield from _member_pictures(shown)

    animation = animate(shown.matched, shown.mesh)
    if animation:
        yield animation


def deformation_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield maps of total deformation and divergence, if there is a drift."""
    if not shown.matched.has("siu", "siv"):
        return

    (true_u, u), (true_v, v) = shown.fields("siu"), shown.fields("siv")
    sources = {"truth": (true_u, true_v), "one member": (u[0], v[0])}
    if shown.has_members:
        sources["ensemble mean"] = (u.mean(axis=0), v.mean(axis=0))

    rates = {name: compute_deformation(shown.mesh, *drift) for name, drift in sources.items()}

    total = {name: SECONDS_PER_DAY * rate.total for name, rate in rates.items()}
    caption = "Sea ice deforms in narrow bands; the ensemble mean blurs them, a member must not."
    yield _rate_picture(shown, "total_deformation", total, caption)

    divergence = {name: SECONDS_PER_DAY * rate.divergence for name, rate in rates.items()}
    caption = "Positive where the ice opens, negative where it closes."
    yield _rate_picture(shown, "divergence", divergence, caption)


def _rate_picture(shown: ShownStart, quantity: str, fields: dict[str, Array], caption: str) -> Picture:
    name = quantity.replace("_", " ")
    figure = deformation_maps(shown.mesh, fields, quantity, shown.hours)
    alt = f"Maps of the {name} of the drift on the native faces at {shown.when}: {', '.join(fields)}."
    return Picture(figure, name.capitalize(), caption, alt)


def _state_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield one picture per state variable, and one with arrows per vector."""
    for variable in shown.matched.variables:
        truth, ensemble = shown.fields(variable.name)
        mean, spread = ensemble.mean(axis=0), None
        if shown.has_members:
            spread = ensemble.std(axis=0, ddof=1)

        figure = forecast_maps(shown.mesh, truth, ensemble[0], mean, spread, variable, shown.hours)
        yield _state_picture(shown, figure, variable)

    for x, y in vector_pairs(shown.matched.variables):
        yield _vector_picture(shown, shown.matched.variables[x], shown.matched.variables[y])


def _vector_picture(shown: ShownStart, x: Variable, y: Variable) -> Picture:
    """Speed of a vector in colours, its direction as arrows."""
    (true_u, u), (true_v, v) = shown.fields(x.name), shown.fields(y.name)
    vectors = {"truth": (true_u, true_v), "member": (u[0], v[0]), "mean": (u.mean(axis=0), v.mean(axis=0))}
    truth, member, mean = (np.hypot(*components) for components in vectors.values())
    spread = np.sqrt(u.var(axis=0, ddof=1) + v.var(axis=0, ddof=1)) if shown.has_members else None

    variable = Variable(f"{x.name}, {y.name}", "state", x.units, "speed and direction")
    figure = forecast_maps(shown.mesh, truth, member, mean, spread, variable, shown.hours, vectors)

    return _state_picture(shown, figure, variable)


def _state_picture(shown: ShownStart, figure: Figure, variable: Variable) -> Picture:
    meaning = variable.long_name or variable.name
    columns = "truth, one member, ensemble mean and spread" if shown.has_members else "truth and forecast"

    return Picture(
        figure,
        f"{variable.name}: {meaning}",
        "Truth and forecast share one colour scale.",
        f"Maps of {variable.name} ({meaning}) on the native faces at {shown.when}: {columns}.",
    )


def _member_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield all members of some variables at the last lead time."""
    matched = shown.matched
    members = min(matched.members, MOST_STAMPS)
    if members < 2:
        return

    lead = len(matched.lead_hours) - 1
    when = f"+{matched.lead_hours[lead]:g} h"

    for variable in matched.variables:
        if variable.name not in STAMPED:
            continue

        ensemble, truth = matched.pair(variable.name, shown.start, lead)
        yield Picture(
            stamp_maps(shown.mesh, truth, ensemble[:members], variable),
            f"{variable.name} of {members} members, {when}",
            "The truth is framed. It should not stand out: each member should be as sharp as the truth, and members "
            "should differ from each other.",
            f"Small maps of {variable.name} at {when}: the truth and {members} members in one colour scale.",
        )
