"""Pictures of the state of the ice: initial state, maps of every variable, of all members, and of the deformation."""

from collections.abc import Iterator

import numpy as np
from matplotlib.colors import Normalize

from gensim_graph.evaluate.pictures import (
    ICE_ONLY,
    animate,
    deformation_maps,
    forecast_maps,
    initial_maps,
    only_ice,
    shared_norm,
    stamp_maps,
)
from gensim_graph.evaluate.report.parts import Part, Picture, Text
from gensim_graph.evaluate.report.shown_start import ShownFields, ShownStart
from gensim_graph.evaluate.report.wording import capitalised, vector_words
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY
from gensim_graph.variables import Variable, vector_pairs

MOST_STAMPS = 23
"""Largest number of members in one picture."""

STAMPED = ("sic", "sid")
"""Variables of which all members are shown: those that differ most among them."""

_WATER = "Open water (concentration below 15 %) is pale blue: the quantity has no meaning there."


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
    rates = [
        compute_deformation(shown.mesh, *drift)
        for drift in ((true_u, true_v), (u[0], v[0]), (u.mean(axis=0), v.mean(axis=0)))
    ]

    total = [SECONDS_PER_DAY * rate.total for rate in rates]
    caption = f"Sea ice deforms in narrow bands; the ensemble mean blurs them, a member must not. {_WATER}"
    yield _rate_picture(shown, "total_deformation", total, caption)

    divergence = [SECONDS_PER_DAY * rate.divergence for rate in rates]
    caption = f"Positive where the ice opens, negative where it closes. {_WATER}"
    yield _rate_picture(shown, "divergence", divergence, caption)


def _rate_picture(shown: ShownStart, quantity: str, rates: list[Array], caption: str) -> Picture:
    """Maps of a rate of the drift; ``rates``: of truth, member and mean, (lead_time, F)."""
    truth, member, mean = rates
    on_ice = shown.without_water("siu", ShownFields(truth, member, mean, None))
    fields = {"truth": on_ice.truth, "one member" if shown.has_members else "forecast": on_ice.member}
    if shown.has_members:
        fields["ensemble mean"] = on_ice.mean

    name = quantity.replace("_", " ")
    figure = deformation_maps(shown.mesh, fields, quantity, shown.hours)
    alt = f"Maps of the {name} of the drift on the native faces at {shown.when}: {', '.join(fields)}."

    return Picture(figure, capitalised(name), caption, alt)


def _state_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield the initial state, then one picture per scalar, and one with arrows per vector."""
    variables = shown.matched.variables
    speeds = {_speed_of(variables[x], variables[y]): (variables[x], variables[y]) for x, y in vector_pairs(variables)}
    components = {part for parts in speeds.values() for part in parts}
    scalars = [variable for variable in variables if variable not in components]

    norms: dict[str, Normalize] = {}
    pictures = [_scalar_picture(shown, variable, norms) for variable in scalars]
    pictures += [_vector_picture(shown, speed, parts, norms) for speed, parts in speeds.items()]
    if shown.matched.has_start:
        yield _initial_picture(shown, scalars, speeds, norms)

    yield from pictures


def _scalar_picture(shown: ShownStart, variable: Variable, norms: dict[str, Normalize]) -> Picture:
    """Maps of one variable; its colour scale is added to ``norms``."""
    fields = shown.without_water(variable.name, ShownFields.of(*shown.fields(variable.name)))
    norms[variable.name] = shared_norm([fields.truth, fields.member, fields.mean], variable)

    return _state_picture(shown, fields, variable, norms[variable.name])


def _vector_picture(
    shown: ShownStart, speed: Variable, parts: tuple[Variable, Variable], norms: dict[str, Normalize]
) -> Picture:
    """Speed of a vector in colours, its direction as arrows; its colour scale is added to ``norms``."""
    (true_u, u), (true_v, v) = (shown.fields(part.name) for part in parts)
    drift = {"truth": (true_u, true_v), "member": (u[0], v[0]), "mean": (u.mean(axis=0), v.mean(axis=0))}
    spread = np.sqrt(u.var(axis=0, ddof=1) + v.var(axis=0, ddof=1)) if shown.has_members else None

    truth, member, mean = (np.hypot(*components) for components in drift.values())
    fields = shown.without_water(parts[0].name, ShownFields(truth, member, mean, spread))
    norms[speed.name] = shared_norm([fields.truth, fields.member, fields.mean], speed)
    on_ice = {source: _masked(drift[source], getattr(fields, source)) for source in drift}
    on_ice["error"] = on_ice["mean"][0] - on_ice["truth"][0], on_ice["mean"][1] - on_ice["truth"][1]

    return _state_picture(shown, fields, speed, norms[speed.name], on_ice)


def _speed_of(x: Variable, y: Variable) -> Variable:
    """Variable for the length of a vector."""
    return Variable(f"{x.name}, {y.name}", "state", x.units, f"{vector_words(x, y)}, speed and direction")


def _masked(vector: tuple[Array, Array], speed: Array) -> tuple[Array, Array]:
    """Components of a vector, NaN where its speed is."""
    u, v = (np.where(np.isnan(speed), np.nan, component) for component in vector)
    return u, v


def _state_picture(
    shown: ShownStart,
    fields: ShownFields,
    variable: Variable,
    norm: Normalize,
    drift: dict[str, tuple[Array, Array]] | None = None,
) -> Picture:
    parts = fields.truth, fields.member, fields.mean, fields.spread
    figure = forecast_maps(shown.mesh, *parts, variable, shown.hours, drift, norm)
    meaning = variable.long_name or variable.name
    columns = "truth, forecast and forecast minus truth"
    if shown.has_members:
        columns = "truth, one member, ensemble mean, ensemble mean minus truth, and spread"

    hidden = any(np.isnan(part).any() for part in parts if part is not None)
    return Picture(
        figure,
        f"{variable.name}: {meaning}",
        f"Truth and forecast share one colour scale.{f' {_WATER}' if hidden else ''}",
        f"Maps of {variable.name} ({meaning}) on the native faces at {shown.when}: {columns}.",
    )


def _initial_picture(
    shown: ShownStart,
    scalars: list[Variable],
    speeds: dict[Variable, tuple[Variable, Variable]],
    norms: dict[str, Normalize],
) -> Picture:
    """Maps of all scalars and of the speeds of all vectors at the start, in the colours of the maps of the forecast."""
    fields = {variable: shown.initial(variable.name) for variable in scalars}
    drift = {}
    for speed, (x, y) in speeds.items():
        drift[speed.name] = shown.initial(x.name), shown.initial(y.name)
        fields[speed] = np.hypot(*drift[speed.name])

    when = np.datetime_as_string(shown.matched.start_times[shown.start], unit="m").replace("T", " ")
    return Picture(
        initial_maps(shown.mesh, fields, norms, drift),
        "Initial state",
        f"The state at {when}, from which the forecast starts, in the colour scales of the maps below.",
        f"Maps of the initial state on the native faces: {', '.join(one.long_name or one.name for one in fields)}.",
    )


def _member_pictures(shown: ShownStart) -> Iterator[Picture]:
    """Yield all members of some variables at the last lead time."""
    members = min(shown.matched.members, MOST_STAMPS)
    if members < 2:
        return

    for variable in shown.matched.variables:
        if variable.name in STAMPED:
            yield _member_picture(shown, variable, members)


def _member_picture(shown: ShownStart, variable: Variable, members: int) -> Picture:
    lead = len(shown.matched.lead_hours) - 1
    when = f"+{shown.matched.lead_hours[lead]:g} h"
    ensemble, truth = shown.matched.pair(variable.name, shown.start, lead)

    if variable.name in ICE_ONLY and shown.matched.has("sic"):
        concentrations, true_concentration = shown.matched.pair("sic", shown.start, lead)
        ensemble, truth = only_ice(ensemble, concentrations), only_ice(truth, true_concentration)

    return Picture(
        stamp_maps(shown.mesh, truth, ensemble[:members], variable),
        f"{variable.name} of {members} members, {when}",
        "The truth is framed. It should not stand out: each member should be as sharp as the truth, and members should "
        "differ from each other.",
        f"Small maps of {variable.name} at {when}: the truth and {members} members in one colour scale.",
    )
