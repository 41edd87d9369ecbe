"""The chapters of a report, from the tables of an evaluation and the maps of one forecast."""

from collections.abc import Iterator, Mapping

import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.evaluate.report import summary
from gensim_graph.evaluate.pictures import animate
from gensim_graph.evaluate.pictures import calibration_chart, curve_grid, distribution_chart, scale_chart, scaling_chart
from gensim_graph.evaluate.report.gallery import Gallery, Picture, curves, mesh_picture
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.report.page import Part, Section, Text, plain
from gensim_graph.evaluate.explain import head_reach, reach_figure
from gensim_graph.evaluate.explain import sensitivity, sensitivity_figure
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate

Tables = Mapping[str, pd.DataFrame]

MOST_FACES, SAMPLER_STEPS = 20_000, 4
"""Of sensitivities: every evaluation of the network is kept for the way back."""

_INTERVALS = {
    "starts": "Intervals come from drawing starts anew: they say how a score would vary with other such weather.",
    "space": "Intervals come from drawing blocks of the domain anew, as there are fewer than eight starts that do not "
    "overlap: they know nothing of other weather, and are too narrow for it.",
    "not sampled": "There are too few starts and too few faces for intervals.",
}


def chapters(matched: Verification, mesh: Mesh, tables: Tables, model: Surrogate | None = None) -> list[Section]:
    """All sections of a page; those without parts have nothing to say. With the model, what it has learnt."""
    gallery = Gallery(matched, mesh)
    moving = animate(matched, mesh)
    maps: list[Part] = [Text("The first start, on the native faces of the mesh."), *gallery.variables()]
    maps += [*gallery.stamps(), *([moving] if moving else [])]

    return [
        Section("scores", "Scores", [*_scores(matched, tables)]),
        Section("curves", "Curves", [curves(tables["scores"], matched.variables)]),
        Section("ensemble", "Ensemble", [*_ensemble(tables)]),
        Section("ice", "Ice edge", [*_ice(tables)]),
        Section("drift", "Drift", [*_drift(tables)]),
        Section("maps", "Maps", maps),
        Section("deformation", "Deformation", [*_deformation(tables, gallery)]),
        Section("scales", "Scales", [*_scales(tables)]),
        Section("processes", "Processes", [*_processes(tables, gallery)]),
        Section("learnt", "Learnt", [*_learnt(model, matched, mesh)] if model else []),
        Section("mesh", "Mesh", [mesh_picture(mesh)]),
        Section("all", "All scores", [summary.all_scores(tables["scores"], matched)]),
    ]


def _scores(matched: Verification, tables: Tables) -> Iterator[Part]:
    scores = tables["scores"]
    skill, consistency = summary.skill(scores), summary.consistency(scores)

    if skill:
        words = (
            "Error of the ensemble mean over that of persistence, which keeps the initial state. Below one is better. "
        )
        yield Text(words + _INTERVALS[scores["interval_over"].iloc[0]])
        yield skill
    else:
        yield Text("There is no persistence to compare with: the truth does not hold the starts of the forecast.")

    if consistency:
        words = (
            "Ensemble spread over the error of the ensemble mean (Fortin et al. 2014). One is a consistent ensemble; "
        )
        yield Text(words + "below, it is too sure of itself.", "Spread and skill")
        yield consistency

    yield Text("No value of the forecast may leave these.", "Physical bounds")
    yield summary.bounds(scores, matched)


def _ensemble(tables: Tables) -> Iterator[Part]:
    if not (tables["ranks"]["model"] == "forecast").any():
        return

    yield Picture(
        calibration_chart(tables["ranks"], tables["spread_error"], tables["reliability"]),
        "Calibration",
        "Above: where the truth ranks among the members; flat (dotted) is right, a U too narrow, a slope biased. "
        "Below: error by spread, on the diagonal where the ensemble knows how uncertain it is. "
        "Last: how often there is ice where members say so.",
        "Rank histograms and error by spread for each variable, and the reliability of the probability of ice, at the "
        "first and the last lead time.",
    )
    rows = tables["brier"].to_dict("records")

    if rows:
        heads = {"model": "model", "lead_hours": "lead time (h)", "brier": "Brier score", "reliability": "reliability"}
        heads |= {"resolution": "resolution", "uncertainty": "uncertainty", "fair_brier": "fair Brier score"}
        caption = "Brier score of P(sic > 15 %): reliability (0 is best) minus resolution plus uncertainty"
        yield plain(caption, heads, rows, folded="Table of Brier scores")


def _ice(tables: Tables) -> Iterator[Part]:
    ice = tables["ice"]
    if ice.empty:
        return

    panels = {"extent": "extent (km²)", "area": "area (km²)", "volume": "volume (km³)"}
    panels |= {"iiee": "IIEE (km²)", "misplacement": "misplaced ice (km²)", "sps": "spatial probability score (km²)"}
    panels |= {"edge_distance": "distance of ice edges (km)", "edge_length": "length of the edge (km)"}
    panels |= {"miz_width": "width of the marginal ice zone (km)"}
    panels = {name: title for name, title in panels.items() if ice[name].notna().any()}

    yield Picture(
        curve_grid(ice, panels, zero=("iiee", "misplacement", "sps", "edge_distance")),
        "Extent, volume and ice edge",
        "IIEE, the integrated ice-edge error, is the area where one of truth and forecast has ice (above 15 %) and the "
        "other has none; its part that a shift of ice would mend is misplaced. Means over the members; the median is "
        "the edge that half of them agree on.",
        f"Curves over lead time of {', '.join(panels.values())}, for truth and models.",
    )
    heads = {"model": "model", "lead_hours": "lead time (h)"} | panels
    heads |= {"overestimate": "too much ice (km²)", "underestimate": "too little ice (km²)"}
    yield plain(
        "Ice and its edge", heads, ice.to_dict("records"), folded="Table of the ice and its edge, also in ice.csv"
    )


def _drift(tables: Tables) -> Iterator[Part]:
    drift = tables["drift"]
    on_ice = drift[drift["where"] == "ice"]
    if not on_ice["speed"].notna().any():
        return

    panels = {"vector_rmse": "vector error (m s⁻¹)", "speed_bias": "speed bias (m s⁻¹)"}
    panels |= {"angle_mae": "angle error (degrees)", "correlation": "complex correlation"}
    yield Picture(
        curve_grid(on_ice, panels, columns=4, zero=("vector_rmse", "angle_mae")),
        "Speed and direction",
        "Where the truth has ice. Members are scored one by one and averaged; dashes are their mean drift.",
        f"Curves over lead time of {', '.join(panels.values())} of the drift.",
    )
    buoys = tables["buoys"]

    if buoys.empty:
        return

    panels = {"separation": "separation (km)", "mean_separation": "separation of the mean (km)"}
    panels |= {"skill": "skill (Liu and Weisberg 2011)"}
    yield Picture(
        curve_grid(buoys, panels, zero=("separation", "mean_separation")),
        "Virtual buoys",
        "Buoys set out at the same places in truth and forecast, and drift with each. A skill of one is perfect, zero "
        f"is off by as much as they went; the true buoys went {buoys['displacement'].max():.3g} km at most on average.",
        "Curves over lead time of the separation of forecast and true buoys, and of their skill.",
    )


def _deformation(tables: Tables, gallery: Gallery) -> Iterator[Part]:
    table = tables["deformation"]
    if table.empty:
        return

    yield Text(
        "Rates on the native faces from the drift on faces. Where a model has its drift on nodes it was averaged to "
        "faces first, in truth and forecast alike, which smooths the rates. "
        "Maps show all faces, statistics those with ice."
    )
    yield from gallery.deformation()
    last = float(table["lead_hours"].max())

    yield Picture(
        distribution_chart(tables["distribution"], last),
        "Distribution of the rates",
        f"At +{last:g} h. Members keep the heavy tail of the truth where they are realistic; their mean loses it.",
        "Densities of total deformation, opening and closing over the rate, logarithmic, for truth and models.",
    )
    yield Text(
        "Localisation is the share of the total deformation within the 10 % of the area that deforms most. Distance is "
        "the Wasserstein distance to the truth of log10 of the total deformation; 0.3 is a factor of two.",
        "Statistics of the total deformation",
    )
    heads = {"model": "model", "lead_hours": "lead time (h)", "mean": "mean", "median": "median", "q90": "90 %"}
    heads |= {"q99": "99 %", "localisation_share": "localisation", "log_distance": "distance"}
    shown = summary.some_leads(sorted(table["lead_hours"].unique()))
    rows = table[table["lead_hours"].isin(shown)].to_dict("records")
    yield plain("Averages over members and starts; mean and quantiles in day⁻¹, by area", heads, rows)


def _scales(tables: Tables) -> Iterator[Part]:
    scaling = tables["scaling"]
    if not scaling.empty:
        last = float(scaling["lead_hours"].max())
        yield Picture(
            scaling_chart(scaling, tables["intermittency"], last),
            "Scaling of the deformation",
            f"Moments of the total deformation over boxes (at +{last:g} h) and over windows of time (all lead times). "
            "The steeper, the more localised; exponents that curve upwards with the order are multifractal.",
            "Moments of first and second order over box size and over time, and their exponents over the order, for "
            "truth and models.",
        )

    for name, scale, title, words in (
        ("structure", "distance_km", "Structure functions", "mean square difference of two places"),
        ("spectra", "wavelength_km", "Power spectra", "variance at a wavelength"),
    ):
        table = tables[name]
        if table.empty:
            continue

        last = float(table["lead_hours"].max())
        yield Picture(
            scale_chart(table, scale, last, "forecast / truth"),
            title,
            f"The {words} over that of the truth, at +{last:g} h. The effective resolution is where a curve crosses "
            "one half (dotted) and stays above it.",
            f"Ratio of forecast to truth of the {words}, one panel each for {', '.join(table['variable'].unique())}.",
        )

    yield from _resolution(tables)


def _resolution(tables: Tables) -> Iterator[Part]:
    """Effective resolution at the last lead time, a row a model and variable."""
    name = "structure" if tables["spectra"].empty else "spectra"
    table = tables[name]
    if table.empty:
        return

    last = table["lead_hours"].max()
    at = table[(table["lead_hours"] == last) & (table["model"] != "truth")].drop_duplicates(["model", "variable"])
    of = "structure functions" if name == "structure" else "spectra"
    heads = {"model": "model", "variable": "variable", "resolved_km": "resolved from (km)"}
    rows = at.sort_values(["variable", "model"]).to_dict("records")
    yield plain(f"Effective resolution at +{last:g} h, from {of}; – where half is never reached", heads, rows, 2)


def _processes(tables: Tables, gallery: Gallery) -> Iterator[Part]:
    yield from gallery.processes()
    events = tables["events"]

    if not events.empty:
        at = events[events["lead_hours"].isin(summary.some_leads(sorted(events["lead_hours"].unique())))]
        at = at[at["model"] != "truth"]
        heads = {"model": "model", "event": "event", "lead_hours": "lead time (h)", "share": "share of the ice"}
        heads |= {"truth_share": "in the truth", "detected": "detected", "false_alarms": "false alarms"}
        heads |= {"critical_success": "critical success"}
        yield plain("Events, cell by cell: of members, averaged", heads, at.to_dict("records"), 2, "Table of events")

    budget = tables["budget"]
    if not budget.empty:
        last = budget[budget["lead_hours"] == budget["lead_hours"].max()]
        heads = {"model": "model", "variable": "variable", "amount": "amount", "change": "change", "dynamics": "inflow"}
        heads |= {"rest": "rest", "rms_change": "local change", "rms_dynamics": "local dynamics"}
        heads |= {"rms_rest": "local rest", "correlation": "correlation"}

        caption = (
            f"Budgets at +{last['lead_hours'].iloc[0]:g} h: amount in km³ (sit, snt) or km² (sic) with its change, "
            "what came in through open boundaries, and the rest, per day; local terms as root mean squares per day, "
            "and the correlation of change and dynamics"
        )
        yield plain(caption, heads, last.to_dict("records"), 2)


def _learnt(model: Surrogate, matched: Verification, mesh: Mesh) -> Iterator[Part]:
    if isinstance(model.operator, VelocityOperator):
        reach = head_reach(model, mesh)
        yield Picture(
            reach_figure(reach),
            "How far the heads look",
            f"Reach of each head in each block, at rest: a standard deviation along an axis. A token of four cells is "
            f"{reach.attrs['token_length_km']:.3g} km long here.",
            f"Table of the reach of {reach.sizes['head']} heads in {reach.sizes['block']} blocks, from "
            f"{float(reach.min()):.3g} to {float(reach.max()):.3g} km.",
        )

    if not matched.has_start or mesh.n_faces > MOST_FACES:
        return

    initial = matched.truth.sel(time=matched.start_times[0])
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2)

    try:
        found = sensitivity(model, initial, matched.truth, "sit", middle, sampler_steps=SAMPLER_STEPS, mesh=mesh)
    except InputError:  # the truth has no forcing: then there is nothing to look at
        return

    yield Picture(
        sensitivity_figure(found, mesh, window=0.25),
        "What a forecast depends on",
        "What a change of one standard deviation of an input in one cell does to the thickness in the circle, one step "
        "ahead: derivatives through the sampler, from the mean of the noise. Names that end in _next are forcing at "
        "the end of the step.",
        "Maps of the sensitivity of the ice thickness in one cell to the six inputs that matter most, around it.",
    )
