"""The report: one complete page that works offline, and a folder that never replaces files of the user."""

import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate import match_models
from gensim_graph.evaluate.report import report, write_report
from gensim_graph.evaluate.report.shown_start import ShownFields, ShownStart
from gensim_graph.evaluate.report.wording import variable_words, vector_words
from gensim_graph.evaluate.verify import score_table
from gensim_graph.evaluate.verify.moments import score_moments
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import Variable, VariableTable, default_variables

STATE = [variable.name for variable in default_variables().state]
ODD = "_a$b$.nc ^{ 5 % <script>alert(1)</script><b>"
"""Name of a user that means something in formulas and in HTML."""

VOID = {"meta", "img", "link", "br", "hr"}


class Page(HTMLParser):
    """Tags, headings and words of a page, as a browser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], "tags that are not closed"

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data
        if self._open and self._open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


def datasets(mesh: Mesh, members: int = 3, leads: int = 2) -> tuple[xr.Dataset, xr.Dataset]:
    """A noisy forecast of a smooth truth: all state variables, within their bounds."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2000-01-01", "ns") + np.arange(leads + 1) * np.timedelta64(12, "h")
    x, y = mesh.centres.T / np.ptp(mesh.nodes)
    wave = 0.5 + 0.3 * np.sin(4 * x + np.arange(leads + 1)[:, None]) * np.cos(3 * y)
    truth = {name: (("time", "face"), 0 * wave if name == "snt" else wave) for name in STATE}
    noise = {name: rng.uniform(-0.1, 0.1, (members, leads, mesh.n_faces)) for name in STATE}
    noise["snt"] *= 0
    dims = ("member", "lead_time", "face")
    forecast = {name: (dims, truth[name][1][1:] + noise[name]) for name in STATE}
    topology = mesh_to_dataset(mesh)
    coords = {"lead_time": times[1:] - times[0], "valid_time": ("lead_time", times[1:])}
    return topology.assign(forecast).assign_coords(coords), topology.assign(truth).assign_coords(time=times)


@pytest.fixture(scope="module")
def written(small_mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    forecast, truth = datasets(small_mesh)
    folder = tmp_path_factory.mktemp("report")
    return write_report(forecast, truth, folder / "out", title="A <test>", information={"Model": "tiny & small"})


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written.read_text(encoding="utf-8"))


def test_every_image_is_inside_and_has_words(page: Page):
    images = page.all("img")
    assert len(images) >= len(STATE) + 4  # drift, two of deformation, curves, mesh
    for image in images:
        assert len(image["alt"]) > 40
        kind, data = image["src"].split(",", 1)
        begin = {"data:image/png;base64": b"\x89PNG", "data:image/gif;base64": b"GIF89a"}[kind]
        assert b64decode(data).startswith(begin)


def test_nothing_comes_from_outside(written: Path, page: Page):
    targets = [value for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href", "action")]
    assert all(target.startswith(("data:", "#")) for target in targets)
    text = written.read_text(encoding="utf-8")
    assert "http" not in text
    assert "url(" not in text
    assert "<script" not in text


def test_structure_is_readable(page: Page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.headings[0] == "A <test>"  # escaped in the source
    assert "tiny & small" in page.words
    identifiers = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(identifiers)) == len(identifiers)
    assert {target["href"][1:] for target in page.all("a")} <= set(identifiers)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in attrs for attrs in page.all("th"))


def test_all_variables_are_there(page: Page):
    maps = [heading.split(":")[0] for heading in page.headings if ":" in heading]
    assert maps == ["sit", "sic", "sid", "snt", "siu, siv"]  # a vector is one picture
    assert {"Initial state", "Total deformation", "Divergence", "Mesh"} <= set(page.headings)
    assert page.words.count("all within bounds") == 4  # sit, sic, sid, snt


def test_numbers_of_the_page_are_those_of_the_files(written: Path, page: Page):
    scores = pd.read_csv(written.parent / "scores.csv")
    assert set(scores["model"]) == {"forecast", "persistence"}  # persistence was added
    assert len(json.loads((written.parent / "scores.json").read_text())) == len(scores)
    ours, still = (scores[(scores["model"] == m) & (scores["variable"] == "sit")] for m in ("forecast", "persistence"))
    assert f"{ours['rmse'].iloc[0] / still['rmse'].iloc[0]:.2f} " in page.words
    assert "no change" in page.words  # snow is zero throughout: no ratio
    assert (written.parent / "deformation.csv").exists()


def test_out_of_bounds_is_said(small_mesh: Mesh, tmp_path: Path):
    forecast, truth = datasets(small_mesh, members=1, leads=1)
    forecast["sic"][0, 0, :2] = 1.5
    page = Page(write_report(forecast, truth, tmp_path / "out").read_text(encoding="utf-8"))
    assert page.words.count("beyond bounds") == 1
    assert "one member" not in " ".join(page.words)


def test_the_report_says_whose_budget_it_shows(small_mesh: Mesh, tmp_path: Path, page: Page):
    """A forecast that has written transport and source, at every lead time the same."""
    forecast, truth = datasets(small_mesh, members=2)
    terms = {"sit_transport": 0.01, "sit_source": 0.02}
    given = {name: xr.full_like(forecast["sit"], value) for name, value in terms.items()}
    given = {name: field.assign_attrs(units="m", interval="PT43200S") for name, field in given.items()}
    written = write_report(forecast.assign(given), truth, tmp_path / "out")

    table = pd.read_csv(written.parent / "budget.csv").set_index(["model", "variable", "lead_hours"])
    assert table.loc[("forecast", "sit", 24.0), "method"] == "written"
    assert set(table.drop([("forecast", "sit", hours) for hours in (12.0, 24.0)])["method"]) == {"estimated"}
    volume = 2e-9 * small_mesh.areas.sum()  # two steps a day, in km3
    assert table.loc[("forecast", "sit", 24.0), "dynamics"] == pytest.approx(0.01 * volume, rel=1e-5)
    assert table.loc[("forecast", "sit", 24.0), "rest"] == pytest.approx(0.02 * volume, rel=1e-5)
    assert table.loc[("forecast", "sit", 24.0), "rms_rest"] == pytest.approx(0.04, rel=1e-5)

    said, unsaid = (" ".join(one.words) for one in (Page(written.read_text(encoding="utf-8")), page))
    for words in ("Written: transport and source of the step", "has written transport and source of its steps"):
        assert words in said
        assert words not in unsaid


@pytest.fixture(scope="module")
def odd(small_mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A report on three variables, of which one is the user's, with a baseline and facts of odd names."""
    rows = default_variables().to_dict()
    rows["ridge"] = {"role": "state", "units": "kg m-3", "long_name": "share of <ridged> ice", "lower": 0.0}
    table = VariableTable.from_dict(rows)
    forecast, truth = datasets(small_mesh, members=2, leads=1)
    forecast, truth = (
        data.assign(ridge=data["sit"]).drop_vars(["sit", "siu", "siv", "snt"]) for data in (forecast, truth)
    )
    folder = tmp_path_factory.mktemp("odd") / "out"
    baselines, facts = {ODD: forecast}, {"trained_on": ODD}
    return Page(write_report(forecast, truth, folder, baselines, ODD, facts, table).read_text(encoding="utf-8"))


def test_names_of_users_are_shown_as_they_are(odd: Page):
    assert odd.headings[0] == ODD
    assert ODD in odd.words  # of a fact
    assert "Trained on" in odd.words
    assert odd.all("script") == odd.all("b") == []


def test_a_variable_of_the_user_is_shown_with_its_meaning_and_units(odd: Page):
    assert "ridge: share of <ridged> ice" in odd.headings
    text = " ".join(odd.words)
    assert "ridge (share of <ridged> ice, kg m⁻³)" in text
    assert "at least 0 kg m⁻³" in text
    assert [word.strip() for word in odd.words].count("share of <ridged> ice") >= 3  # rows of the tables


def test_no_raw_keys_are_on_the_page(page: Page, odd: Page):
    """Words with an underscore are names of columns; a reader needs the words they stand for."""
    text = " ".join([*page.words, *odd.words, *(image["alt"] for image in page.all("img"))])
    assert re.findall(r"\b[a-z]+_[a-z_]+\b", text.replace(ODD, "")) == []


def test_wide_parts_fit_into_a_narrow_window(written: Path, page: Page):
    """Every table and picture lies in a box of its own that scrolls; pictures are never wider than the page."""
    text = written.read_text(encoding="utf-8")
    boxes = [attrs.get("class") for attrs in page.all("div")]
    assert boxes.count("scroll") == len(page.all("table"))
    assert boxes.count("scroll-figure") == len([image for image in page.all("img") if "image/png" in image["src"]])
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", style)
    assert re.search(r"figure img \{[^}]*max-width: 100%[^}]*height: auto", style)
    widened = [rule for rule in re.findall(r"[^{}]*img \{[^}]*\}", style) if "max-width: none" in rule]
    assert all(":focus" in rule for rule in widened)  # only after a tap
    assert not re.search(r"\n(th, )?td \{[^}]*nowrap", style)


def test_open_water_has_no_damage(small_mesh: Mesh):
    forecast, truth = datasets(small_mesh, members=2)
    water = small_mesh.centres[:, 0] < 50e3
    truth["sic"][:] = np.where(water, 0.1, 0.9)
    models = match_models(forecast, truth, default_variables())
    shown = ShownStart(models["forecast"], small_mesh)
    for name, hidden in (("sid", water), ("siu", water), ("sit", 0 * water), ("sic", 0 * water)):
        fields = shown.without_water(name, ShownFields.of(*shown.fields(name)))
        np.testing.assert_array_equal(np.isnan(fields.truth), np.broadcast_to(hidden, fields.truth.shape))
        assert np.isfinite(fields.mean).all()  # its own concentration is high everywhere
        np.testing.assert_array_equal(np.isnan(shown.initial(name)), hidden)
    without = match_models(forecast.drop_vars("sic"), truth.drop_vars("sic"), default_variables())
    shown = ShownStart(without["forecast"], small_mesh)
    assert np.isfinite(shown.without_water("sid", ShownFields.of(*shown.fields("sid"))).truth).all()


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("ice drift along the mesh x axis", "ice drift along the mesh y axis", "ice drift"),
        ("eastward wave drift", "northward wave drift", "a, b"),
        ("", "", "a, b"),
    ],
)
def test_words_of_a_vector(x: str, y: str, words: str):
    first, second = Variable("a", "state", "m s-1", x, vector="b"), Variable("b", "state", "m s-1", y, vector="a")
    assert vector_words(first, second) == words
    assert variable_words([first, second]) == {"a": x or "a", "b": y or "b", "a, b": words}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures of the page, for tests of the files."""
    monkeypatch.setattr(report, "_page", lambda *_: f"{report.MARKER} new")
    monkeypatch.setattr(report, "assess", lambda models, *_: {"scores": score_table(score_moments(models))})


@pytest.mark.usefixtures("quick")
def test_our_own_report_is_replaced(small_mesh: Mesh, tmp_path: Path):
    forecast, truth = datasets(small_mesh)
    out = tmp_path / "out"
    out.mkdir()  # an empty folder may be replaced
    write_report(forecast, truth, out)
    (out / "report.html").write_text(report.MARKER + " old")
    (out / "deformation.csv").write_text("old")
    write_report(forecast, truth, out)
    assert (out / "report.html").read_text().endswith("new")
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "scores.csv", "scores.json", "tables.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("present", ["thesis.txt", "report.html", "a file"])
def test_what_is_not_ours_stays(small_mesh: Mesh, tmp_path: Path, present: str):
    forecast, truth = datasets(small_mesh)
    out = tmp_path / "out"
    if present == "a file":
        out.write_text("mine")
        mine = out
    else:
        out.mkdir()
        mine = out / present
        mine.write_text("mine")
    with pytest.raises(InputError, match=str(out)):
        write_report(forecast, truth, out)
    assert mine.read_text() == "mine"


@pytest.mark.usefixtures("quick")
def test_notes_beside_our_report_stay(small_mesh: Mesh, tmp_path: Path):
    forecast, truth = datasets(small_mesh)
    write_report(forecast, truth, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        write_report(forecast, truth, tmp_path / "out")


@pytest.mark.usefixtures("quick")
def test_a_failure_leaves_nothing_half_written(small_mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    forecast, truth = datasets(small_mesh)
    out = tmp_path / "out"
    write_report(forecast, truth, out)
    before = (out / "scores.csv").read_text()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("gensim_graph.system.files._put_in_place", full)
    with pytest.raises(OSError, match="no space"):
        write_report(forecast, truth, out)
    assert (out / "scores.csv").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_wrong_input_writes_nothing(small_mesh: Mesh, tmp_path: Path):
    forecast, truth = datasets(small_mesh)
    with pytest.raises(InputError, match="valid times are missing"):
        write_report(forecast, truth.isel(time=[0, 1]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
