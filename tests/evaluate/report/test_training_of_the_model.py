"""Learning curves in the report: the picture of the run as it is, and a sentence with numbers of its record."""

from base64 import b64decode
from pathlib import Path

import pytest
from evaluate.report.test_report import Page, datasets
from support.surrogates import random_surrogate

from gensim_graph.evaluate.report import write_report
from gensim_graph.mesh import Mesh
from gensim_graph.train.learning_curves import draw_curves
from gensim_graph.train.training_record import RecordFile

HEADING = "How it was trained"
LOSSES = {100: 2.5, 200: 1.25, 300: 1.5, 1200: 1.75}


def record(folder: Path, losses: dict[int, float]) -> None:
    """Write the record of a run, as the training does."""
    folder.mkdir()
    file = RecordFile(folder)
    for step in range(50, 1201, 50):
        file.log_metrics({"loss": 100.0 / step, "gradient_norm": 1.0, "learning_rate": 1e-3}, step)
        if step in losses:
            file.log_metrics({"validation_loss": losses[step]}, step)


@pytest.fixture
def report_of(small_mesh: Mesh, tmp_path: Path):
    forecast, truth = datasets(small_mesh, members=2, leads=1)

    def write(run: Path) -> Page:
        page = write_report(forecast, truth, tmp_path / "out", model=random_surrogate(), run=run)
        return Page(page.read_text(encoding="utf-8"))

    return write


def test_curves_and_validation_of_a_run(report_of, tmp_path):
    """Shown with the last model of the run and, as here, with the best one."""
    run = tmp_path / "run"
    record(run, LOSSES)
    picture = draw_curves(run).read_bytes()
    (run / "best").mkdir()
    page = report_of(run / "best")

    assert page.headings.count(HEADING) == 1
    sources = [image["src"].split(",", 1)[1] for image in page.all("img")]
    assert [b64decode(source) for source in sources].count(picture) == 1
    assert (
        "1,200 training steps; the validation loss was 2.5 at first (step 100), 1.25 at best (step 200) and 1.75 at "
        "last (step 1,200)."
    ) in page.words


@pytest.mark.slow
def test_a_run_without_validation_and_picture(report_of, tmp_path):
    record(tmp_path / "run", {})
    page = report_of(tmp_path / "run")
    assert HEADING in page.headings
    assert "1,200 training steps, without a validation." in " ".join(page.words)


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "step,measure\n1,loss\n"])
def test_a_report_without_a_usable_record(report_of, tmp_path, content, caplog):
    """Models without a record, such as those that ship, and damaged records: the report is made, without curves."""
    run = tmp_path / "run"
    run.mkdir()
    if content is not None:
        (run / "metrics.csv").write_text(content)
    assert HEADING not in report_of(run).headings
    assert ("cannot be read" in caplog.text) is (content is not None)
