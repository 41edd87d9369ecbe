"""The table of contents of a report: its sections in order, each with the chapter that fills it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gensim_graph.evaluate.pictures import mesh_figure
from gensim_graph.evaluate.report.guard_chapter import guard_chapter
from gensim_graph.evaluate.report.observed import innovation_chapter, observation_chapter
from gensim_graph.evaluate.report.parts import Part, Picture, Section
from gensim_graph.evaluate.report.physics_chapters import deformation_chapter, process_chapter, scale_chapter
from gensim_graph.evaluate.report.score_chapters import all_scores_chapter, curve_chapter, score_chapter
from gensim_graph.evaluate.report.shown_start import ShownStart
from gensim_graph.evaluate.report.state_pictures import map_chapter
from gensim_graph.evaluate.report.verification_chapters import drift_chapter, ensemble_chapter, ice_chapter
from gensim_graph.evaluate.report.wording import variable_words
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.system import present_objects_kept
from gensim_graph.units import KM_PER_METRE

if TYPE_CHECKING:
    from gensim_graph.surrogate import Surrogate

_ANALYSIS = "Observations and analysis"


def chapters(
    matched: Verification,
    mesh: Mesh,
    tables: Mapping[str, pd.DataFrame],
    model: "Surrogate | None" = None,
    run: Path | None = None,
) -> list[Section]:
    """Fill all sections of a page; a section stays empty if the forecast lacks what it needs.

    Args:
        matched: the forecast beside the truth.
        mesh: their mesh.
        tables: tables of :func:`~gensim_graph.evaluate.assessment.assess`.
        model: the model that made the forecast, for the section on what it has learnt.
        run: folder of the model, for its learning curves.
    """
    shown, words = ShownStart(matched, mesh), variable_words(matched.variables)

    with present_objects_kept():
        return [
            Section("scores", "Scores", [*score_chapter(matched, tables)]),
            Section("curves", "Curves", [*curve_chapter(matched, tables)]),
            Section("ensemble", "Ensemble", [*ensemble_chapter(tables, words)]),
            Section("ice", "Ice edge", [*ice_chapter(tables)]),
            Section("drift", "Drift", [*drift_chapter(tables)]),
            Section("observations", "Observations", [*observation_chapter(tables)]),
            Section("analysis", _ANALYSIS, [*innovation_chapter(tables, words)]),
            Section("maps", "Maps", [*map_chapter(shown)]),
            Section("deformation", "Deformation", [*deformation_chapter(tables, shown)]),
            Section("scales", "Scales", [*scale_chapter(tables, words)]),
            Section("processes", "Processes", [*process_chapter(tables, words, shown)]),
            Section("guard", "Guard", [*guard_chapter(matched)]),
            Section("learnt", "Learnt", [*_learnt(model, matched, mesh, run)]),
            Section("mesh", "Mesh", [_mesh_picture(mesh)]),
            Section("all", "All scores", [*all_scores_chapter(matched, tables)]),
        ]


def observation_sections(mesh: Mesh, tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Fill the sections of a page about the comparison with observations alone.

    Args:
        mesh: mesh of the forecast.
        tables: tables of :func:`~gensim_graph.evaluate.score_observations`.
    """
    return [
        Section("observations", "Observations", [*observation_chapter(tables)]),
        Section("analysis", _ANALYSIS, [*innovation_chapter(tables)]),
        Section("mesh", "Mesh", [_mesh_picture(mesh)]),
    ]


def _learnt(model: "Surrogate | None", matched: Verification, mesh: Mesh, run: Path | None) -> Iterator[Part]:
    """Yield what the model has learnt; nothing without a model."""
    if model is None:
        return

    from gensim_graph.evaluate.report.learnt_chapter import learnt_chapter  # imports the network

    yield from learnt_chapter(model, matched, mesh, run)


def _mesh_picture(mesh: Mesh) -> Picture:
    low, middle, high = np.quantile(mesh.spacing * KM_PER_METRE, [0.0, 0.5, 1.0])
    kinds = " and ".join(np.unique(mesh.boundary_kind))

    return Picture(
        mesh_figure(mesh),
        "Mesh",
        f"{mesh.n_faces:,} faces over {mesh.n_nodes:,} nodes.",
        f"Map of the cell spacing with the {kinds} boundary, and a histogram of the spacing: from {low:.3g} to "
        f"{high:.3g} km, median {middle:.3g} km.",
    )
