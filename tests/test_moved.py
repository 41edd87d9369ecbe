"""Imports that the documentation of version 0.1 showed still work, and say where the name lives now."""

import subprocess
import sys
from importlib import import_module

import pytest

import gensim_graph as gg

NAMES = {
    "gensim_graph.cli": ("app", "benchmark", "demo", "evaluate", "main", "simulate", "train"),
    "gensim_graph.cli_forecast": ("forecast",),
    "gensim_graph.compiler": ("CompilerError", "compiled"),
    "gensim_graph.config": ("RunConfig", "TrainerConfig", "compose_config"),
    "gensim_graph.data": ("Forcing", "Normaliser", "SamplingConfig", "Statistics", "TrainingSamples", "Trajectories"),
    "gensim_graph.data.cycle": ("Cycle", "cycle_of"),
    "gensim_graph.data.forcing": ("Forcing", "as_forcing", "open_forcing"),
    "gensim_graph.data.sample": ("cyclone_meshes", "cyclone_trajectories"),
    "gensim_graph.demo": ("Study", "compare", "fit_linear", "plan_study", "run_study"),
    "gensim_graph.errors": ("InputError", "check_values", "naming"),
    "gensim_graph.evaluate": (
        *("LinearBaseline", "assess", "buoy_errors", "deformation", "detect_events", "drift_scores", "evaluate"),
        *("head_reach", "ice_age", "ice_scores", "match_models", "persistence", "persistence_beside"),
        *("power_spectrum", "rank_histogram", "sensitivity", "skill_table", "spatial_scaling", "structure_function"),
        *("temporal_scaling", "volume_budget", "write_report", "write_scores", "Observations"),
    ),
    "gensim_graph.evaluate.observations": ("Observations", "ObservedField", "Periods", "open_observations"),
    "gensim_graph.evaluate.steps": ("Step", "Tally", "tabulate"),
    "gensim_graph.flow": ("Bounds", "NoisedSample", "SamplerConfig", "ScaleModel", "noised_sample", "sample"),
    "gensim_graph.forecast": ("Batch", "Ranks", "check_complete", "check_place", "choose_device", "read_initial"),
    "gensim_graph.forecast.batches": ("choose_batch", "split_units"),
    "gensim_graph.forecast.layout": ("RESTART", "check_place"),
    "gensim_graph.forecast.ranks": ("Ranks",),
    "gensim_graph.forecast.restart": ("read_restart",),
    "gensim_graph.forecast.writer": ("write_forecast",),
    "gensim_graph.graph": ("MeshGraph", "Subgraph", "batch_graphs", "build_graph", "cached_graph", "order_cells"),
    "gensim_graph.mesh": ("Mesh", "MeshQuality", "coarsen_mesh", "load_mesh", "quality_report", "write_mesh"),
    "gensim_graph.mesh.records": ("Record", "read_records", "write_records"),
    "gensim_graph.nn": ("AttentionPlan", "MeshGraphNet", "OperatorConfig", "VelocityOperator", "register_network"),
    "gensim_graph.resources": ("cache_folder", "resource"),
    "gensim_graph.simulate.advection": ("Sides", "build_sides", "transport"),
    "gensim_graph.simulate.batches": ("in_words", "seconds_needed"),
    "gensim_graph.simulate.constants": ("BENCHMARK", "NEXTSIM", "Constants"),
    "gensim_graph.simulate.cyclone": ("simulate_cyclone", "write_cyclone"),
    "gensim_graph.simulate.dataset": (),
    "gensim_graph.simulate.elements": ("Elements", "build_elements"),
    "gensim_graph.simulate.ensemble": ("Ensemble", "build_ensemble"),
    "gensim_graph.simulate.experiment": ("Experiment",),
    "gensim_graph.simulate.initial": (),
    "gensim_graph.simulate.momentum": ("build_drive", "update_velocity"),
    "gensim_graph.simulate.rheology": ("build_response", "update_stress"),
    "gensim_graph.simulate.solver": ("Solver", "build_solver"),
    "gensim_graph.simulate.state": ("State", "state_at_rest"),
    "gensim_graph.simulate.steps": ("plan_steps",),
    "gensim_graph.simulate.storms": ("Storm", "WindField"),
    "gensim_graph.simulate.thermodynamics": ("Weather", "grow_and_melt"),
    "gensim_graph.simulate.triangles": ("Triangles", "split_faces"),
    "gensim_graph.surrogate": ("Surrogate",),
    "gensim_graph.train.callbacks": ("Checkpoint", "StopOnInterrupt", "TrainingProgress"),
    "gensim_graph.train.fit": ("fit", "train"),
    "gensim_graph.train.folder": ("check_folder", "open_folder"),
    "gensim_graph.train.module": ("TrainingModule",),
    "gensim_graph.train.plan": ("TrainingPlan", "config_of", "plan_training"),
    "gensim_graph.typing": ("Array", "Float", "Tensor"),
    "gensim_graph.variables": ("Variable", "VariableTable", "default_variables"),
    "gensim_graph.writing": ("write_atomically",),
}
PUBLIC = [
    *("InputError", "Mesh", "MeshGraph", "SamplerConfig", "Surrogate", "Variable", "VariableTable", "VelocityOperator"),
    *("build_graph", "default_variables", "evaluate", "load_mesh", "open_forcing", "open_store", "open_stores"),
    *("simulate_cyclone", "train", "write_forecast", "write_report"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("module", NAMES)
def test_old_imports_work(module):
    found = import_module(module)
    for name in NAMES[module]:
        assert getattr(found, name) is not None, name


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_stay(name):
    assert name in gg.__all__
    assert getattr(gg, name) is not None


def test_it_says_where_a_module_and_a_name_live_now():
    """In a fresh process: a module is imported once."""
    program = "import gensim_graph.data.sample\nfrom gensim_graph.mesh import load_mesh"
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True)
    assert "gensim_graph.data.sample has moved to gensim_graph.data.builtin" in done.stderr
    assert "gensim_graph.mesh.load_mesh has moved to gensim_graph.io.load_mesh" in done.stderr


def test_what_never_existed_is_still_an_error():
    with pytest.raises(ModuleNotFoundError):
        import_module("gensim_graph.data.nothing")
    with pytest.raises(AttributeError, match="nothing"):
        gg.mesh.nothing  # noqa: B018
