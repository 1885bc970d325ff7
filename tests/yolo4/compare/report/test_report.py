"""The page shows what each study found, and treats names as plain text."""

import csv
import re

import numpy as np
import pytest
from markupsafe import Markup

from tests.helpers.report_page import Page
from tests.helpers.report_sample import ARMS, CLASSES, make_report
from utils.page import plot
from yolo4.compare.contrast import CO_OUTCOME
from yolo4.compare.report.figures import verdict as verdict_figures
from yolo4.compare.report.page import render

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "]]>--><style>*{display:none}",
    "$x^2$ url(#a) 細胞\x00\ud800",
)


def draw(report, folder):
    return Page(render(report, folder).read_text(encoding="utf-8"))


def table(folder, name):
    with (folder / "data" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def undrawn(monkeypatch):
    """Skips the drawing, for tests of words and numbers."""
    monkeypatch.setattr(plot, "inline_svg", lambda *values: Markup("<svg></svg>"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report = make_report()
    return report, folder, draw(report, folder)


def test_the_answer_comes_first(sample):
    report, _, page = sample
    places = [page.text.index(sentence) for sentence in report["verdict"]]
    assert places == sorted(places)
    assert places[-1] < page.text.index("Every arm was trained")


def test_every_link_of_the_contents_has_a_target(sample):
    *_, page = sample
    targets = [link["href"][1:] for link in page.tags("a") if link["href"].startswith("#")]
    assert len(targets) >= 9
    assert set(targets) <= {section.get("id") for section in page.tags("section")}


def test_ids_are_unique_and_drawings_refer_to_their_own(sample):
    *_, page = sample
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    values = [v for tag, a in page.elements for v in a.values() if v and tag not in ("a", "img")]
    used = re.findall(r"url\(#([^)]+)\)", " ".join(values))
    used += [use["href"][1:] for use in page.tags("use")]
    assert used
    assert set(used) <= set(ids)


def test_every_color_of_a_drawing_follows_the_scheme(sample):
    *_, page = sample
    styles = " ".join(attributes.get("style", "") for _, attributes in page.elements)
    assert "var(--series-1)" in styles
    assert re.findall("#[0-9a-f]{6}", styles) == []


def test_nothing_is_loaded_from_outside(sample):
    *_, page = sample
    assert page.tags("link") == []
    links = [a.get("src") or a.get("href") for _, a in page.elements if a.keys() & {"src", "href"}]
    assert all(link.startswith(("#", "data:")) for link in links)
    policy = next(m["content"] for m in page.tags("meta") if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy


def test_each_figure_has_its_numbers(sample):
    _, folder, page = sample
    figures = {figure["id"] for figure in page.tags("figure")}
    assert len(figures) == 18
    assert {path.stem for path in (folder / "data").iterdir()} == figures
    assert {link["download"][:-4] for link in page.tags("a") if "download" in link} == figures


def test_tables_of_numbers_are_complete_and_exact(sample):
    report, folder, _ = sample
    arms = {arm["name"]: arm for arm in report["arms"]}
    runs = {(row["arm"], row["seed"]): float(row["map"]) for row in table(folder, "runs")}
    assert runs == {
        (name, seed): value
        for name, arm in arms.items()
        for seed, value in arm["metrics"]["voc_map"]["values"].items()
    }
    differences = table(folder, "differences")
    first = report["contrasts"][0]
    assert float(differences[0]["difference"]) == first["mean"]
    assert (float(differences[0]["low"]), float(differences[0]["high"])) == first["interval"]
    assert [float(row["difference"]) for row in differences[1:4]] == first["differences"]
    shares = table(folder, "gradient-shares")
    assert len(shares) == len(ARMS) * 6 * 3 * 3
    level = arms["focal"]["diagnosis"]["epochs"][1]["levels"][2]
    mine = {"arm": "focal", "epoch": "5", "stride": "32", "kind": "hard_negative"}
    (row,) = [row for row in shares if mine.items() <= row.items()]
    assert float(row["gradient"]) == level["gradient"]["hard_negative"]
    assert len(table(folder, "precision-recall")) == len(ARMS) * 101
    assert table(folder, "thresholds")[100]["precision"] == ""


def test_figures_show_the_numbers(monkeypatch):
    report = make_report()
    drawn = []
    monkeypatch.setattr(verdict_figures, "make_plot", lambda *values: drawn.append(values))
    verdict_figures.differences(report)
    (figure,) = drawn[0][2]
    lines = [line.get_xdata() for line in figure.axes[0].get_lines()]
    contrast = report["contrasts"][0]
    for shown in ("interval", "image_interval", "differences"):
        expected = [100 * value for value in contrast[shown]]
        assert any(len(x) == len(expected) and np.allclose(x, expected) for x in lines), shown


def test_intervals_are_drawn_against_the_band_of_practical_sameness(monkeypatch):
    report = make_report()
    drawn = {}
    monkeypatch.setattr(verdict_figures, "make_plot", lambda name, *v: drawn.update({name: v}))
    verdict_figures.differences(report)
    verdict_figures.looks(report)
    (_, (figure,), _), (_, panels, (head, rows)) = drawn["differences"], drawn["looks"]
    band = figure.axes[0].patches[0].get_extents().transformed(figure.axes[0].transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-2, 2))
    assert len(panels) == 2
    band = panels[0].axes[0].patches[0].get_extents()
    band = band.transformed(panels[0].axes[0].transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-2, 2))
    first = dict(zip(head, rows[0], strict=True))
    look = report["contrasts"][0]["looks"][0]
    assert (first["seeds"], first["mean"]) == (look["seeds"], look["mean"])
    assert (first["low"], first["high"]) == look["interval"]
    shown = [line.get_ydata() for line in panels[0].axes[0].get_lines()]
    assert any(np.allclose(y, [100 * limit for limit in look["interval"]]) for y in shown)


def test_the_noise_is_shown_by_its_sources(sample):
    *_, page = sample
    assert "Where the noise comes from" in page.text
    assert "images by seed" in page.text


def test_missing_values_are_dashes_that_sort_last(sample):
    *_, page = sample
    empty = [cell for cell in page.tags("td") if cell.get("data-value") == ""]
    assert len(empty) >= len(ARMS)  # AP of small objects, of which there are none
    assert "nan" not in page.text.lower().replace("annotation", "")
    assert "None" not in page.text.replace("None: this takes two arms", "")


@pytest.mark.parametrize("place", ["arms", "classes", "everywhere"])
def test_names_are_plain_text(tmp_path, place):
    arms = ["bce", *EVIL] if place == "arms" else ARMS
    report = make_report(arms, (0,), EVIL if place == "classes" else CLASSES)
    if place == "everywhere":
        report = evil_texts(report)
    page = draw(report, tmp_path)
    assert len(page.tags("script")) == 1
    assert len(page.tags("style")) == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert all(image["src"].startswith("data:image/") for image in page.tags("img"))
    assert EVIL[0] in page.text


def evil_texts(value, key=""):
    """The report with hostile text in every place that comes from outside."""
    free = ("paths", "reason", "folder", "image", "object", "sentence", "verdict", "output")
    if isinstance(value, dict):
        return {key: evil_texts(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [evil_texts(part, key) for part in value]
    return " ".join(EVIL) if isinstance(value, str) and key in free else value


@pytest.mark.usefixtures("undrawn")
def test_failed_and_missing_runs_are_reported_with_their_reason(tmp_path):
    unfinished = {("focal", 1): "failed", ("bce", 2): "missing"}
    page = draw(make_report(unfinished=unfinished), tmp_path)
    assert "7 of 9 runs" in page.text
    assert "2 of 9 runs did not finish" in page.text
    assert "focal, seed 1: failed: the loss is nan in epoch 4" in page.text
    assert "bce, seed 2: missing" in page.text
    assert len(table(tmp_path, "runs")) == 7


@pytest.mark.parametrize("failed", [("focal",), ("bce",), ARMS], ids=["arm", "reference", "all"])
def test_an_arm_without_a_finished_run(tmp_path, failed):
    unfinished = {(arm, seed): "failed" for arm in failed for seed in (0, 1)}
    report = make_report(seeds=(0, 1), unfinished=unfinished)
    page = draw(report, tmp_path)
    assert f"{len(unfinished)} of 6 runs did not finish" in page.text
    assert all(f"{arm}, seed 0: failed" in page.text for arm in failed)
    assert ("No verdict" in page.text) == ("bce" in failed)
    if set(failed) != set(ARMS):
        assert not set(failed) & {row["arm"] for row in table(tmp_path, "runs")}


@pytest.mark.usefixtures("undrawn")
def test_one_seed_is_reported_as_too_few(tmp_path):
    page = draw(make_report(seeds=(4,)), tmp_path)
    assert "One run per arm says nothing about the noise of training" in page.text
    assert table(tmp_path, "differences")[0]["low"] == ""


@pytest.mark.usefixtures("undrawn")
def test_a_failed_pairing_is_reported_beside_the_answer(tmp_path):
    report = make_report()
    report["pairing"] |= {"paired": False, "reason": "focal and bce differ in first batches"}
    numbers = dict.fromkeys(report["contrasts"][0]) | {"arm": "focal", "reference": "bce"}
    sentence = "focal and bce cannot be compared."
    nothing = {"verdict": "not comparable", "sentence": sentence, "seeds": [], "differences": []}
    report["contrasts"][0] = numbers | nothing
    report["verdict"][0] = sentence
    page = draw(report, tmp_path)
    assert page.text.index("differ in first batches") < page.text.index("Every arm was trained")
    assert "Not all runs of one seed started alike" in page.text
    assert "All runs of one seed started" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_images_in_two_splits_are_named_beside_the_answer(tmp_path):
    report = make_report()
    assert "in two splits" not in draw(report, tmp_path).text
    leak = {"split": "test", "image": "<a>.jpg", "other_split": "val", "other_image": "b.jpg"}
    report["leaks"] = {"sentences": ["6 of 72 images of test are nearly"], "images": [leak] * 6}
    page = draw(report, tmp_path)
    assert (
        "in two splits. 6 of 72 images of test are nearly: <a>.jpg (test) and b.jpg (val);"
        in page.text
    )
    assert "and 1 more. What is measured" in page.text
    assert page.text.index("in two splits") < page.text.index("Every arm was trained")


def test_many_arms_and_classes(tmp_path):
    arms = [f"focal:focal_gamma={i}" for i in range(11)]
    classes = [f"class {i}" for i in range(30)]
    page = draw(make_report(arms, (0, 1), classes), tmp_path)
    assert "The 20 of 30 classes" in page.text
    assert len(table(tmp_path, "classes")) == 11 * 30 * 2


@pytest.mark.usefixtures("undrawn")
def test_missing_numbers_and_pictures(tmp_path):
    report = make_report()
    report["contrasts"][0]["p"] = float("nan")
    report["differing_images"][0]["picture"] = {}
    report["arms"][0]["worst_negatives"][0]["picture"] = None
    report["arms"][1]["metrics"]["AP"]["values"] = {0: float("inf"), 1: 0.5, 2: 0.6}
    page = draw(report, tmp_path)
    assert "inf" not in re.findall(r"\w+", page.text)
    assert "can no longer be read" in page.text
    assert all(image["src"].startswith("data:") for image in page.tags("img"))


@pytest.mark.usefixtures("undrawn")
def test_the_page_states_what_was_declared_and_what_the_control_is(tmp_path):
    report = make_report(("bce", "bce control", "focal"))
    report["design"] |= {"folds": 5}
    report["purpose"] = ["Exploration: validation images are measured."]
    text = draw(report, tmp_path).text
    assert text.index("Exploration:") < text.index(report["verdict"][0])
    assert "mAP gives the verdict, and AP of all objects as one class is the co-outcome" in text
    assert "differences below 2 points do not matter" in text
    assert "judged after 2, 3, 5, 12 seeds; the whole labeled set is divided into 5 folds" in text
    assert "bce control is bce once more, with initial weights that differ by a millionth" in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("fresh", "words"),
    [(True, "but for their heads, the last convolutions"), (False, "with its heads if they fit")],
)
def test_the_page_says_what_the_runs_start_from(tmp_path, fresh, words):
    report = make_report()
    assert "All runs start from" not in draw(report, tmp_path).text
    report["settings"] |= {"weights": "yolov4-tiny", "fresh_heads": fresh}
    assert f"All runs start from yolov4-tiny, {words}" in draw(report, tmp_path).text


@pytest.mark.usefixtures("undrawn")
def test_the_page_counts_the_comparisons_that_were_corrected(tmp_path):
    """The control is judged alone, and an arm that cannot be compared is left out."""
    report = make_report(["bce", "bce control", "a", "b", "c", "d"])
    control, *others, d = report["contrasts"]
    control["comparisons"] = 1
    for contrast in others:
        contrast["comparisons"] = 3
    d |= dict.fromkeys(("mean", "image_interval", "interval", "p", "p_holm", "comparisons"))
    d |= {"seeds": [], "differences": [], "verdict": "not comparable"}
    assert "over 3 comparisons; an arm" in draw(report, tmp_path).text
    report = make_report(ARMS[:2])
    report["contrasts"][0]["comparisons"] = 1
    assert "over 1 comparison; an arm" in draw(report, tmp_path).text


@pytest.mark.usefixtures("undrawn")
def test_the_co_outcome_stands_below_the_verdict_and_has_its_own_section(tmp_path):
    report = make_report()
    text = draw(report, tmp_path).text
    sentence = f"Co-outcome: {report['co_outcome'][1]['sentence']}"
    assert text.index(report["verdict"][1]) < text.index(sentence) < text.index("Every arm was")
    assert "mAP alone gives the verdict and ends the study" in text
    rows = table(tmp_path, "co-outcome")
    assert float(rows[0]["difference"]) == report["co_outcome"][0]["mean"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("declared", "classes", "words"),
    [
        (None, CLASSES, "The study declared none."),
        (CO_OUTCOME.name, CLASSES[:1], "with one class, it is mAP"),
        (CO_OUTCOME.name, CLASSES, "no two arms have finished a run with the same seed"),
    ],
)
def test_a_study_without_a_co_outcome_says_why(tmp_path, declared, classes, words):
    report = make_report(classes=classes) | {"co_outcome": []}
    report["design"]["co_outcome"] = declared
    text = draw(report, tmp_path).text
    assert words in text
    assert "Co-outcome" not in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("measure", "split", "said", "not_said"),
    [
        ("best", "test", "that select each run's best weights", "The last weights"),
        ("last", "test", "The last weights of each run are measured", "have chosen nothing"),
        ("last", "val+test", "images have chosen nothing of mAP, but the score", "select"),
    ],
)
def test_the_page_says_which_weights_were_measured(tmp_path, measure, split, said, not_said):
    report = make_report() | {"measure": measure}
    report["data"]["split"] = split
    text = draw(report, tmp_path).text
    compared = text[text.index("What was compared") : text.index("Declared")]
    assert said in compared
    assert not_said not in compared


@pytest.mark.usefixtures("undrawn")
def test_secondary_outcomes_are_in_a_table_with_their_number(tmp_path):
    report = make_report()
    page = draw(report, tmp_path)
    rows = table(tmp_path, "secondary")
    assert len(rows) == len(report["secondary"]) == 2 * (2 + len(CLASSES))
    assert f"All {len(rows)} intervals hold together with 95% confidence" in page.text
    for row, entry in zip(rows, report["secondary"], strict=True):
        assert (row["arm"], row["outcome"]) == (entry["arm"], entry["outcome"])
        assert (float(row["low"]), float(row["high"])) == entry["interval"]
    assert page.text.count("lower is better") >= 2
    page = draw(make_report(seeds=(4,)), tmp_path)
    assert "no two arms have finished two runs with the same seeds" in page.text


def test_secondary_intervals_are_drawn(monkeypatch):
    report, drawn = make_report(classes=[f"class {i}" for i in range(30)]), []
    monkeypatch.setattr(verdict_figures, "make_plot", lambda *values: drawn.append(values))
    verdict_figures.secondary(report)
    (_, (_, caption), (figure,), (_, rows), _) = drawn[0]
    assert "The first 26 of 32 outcomes are drawn" in caption
    assert len(rows) == 64
    lines = [line.get_xdata() for line in figure.axes[0].get_lines()]
    limits = [100 * limit for limit in report["secondary"][0]["interval"]]
    assert any(len(x) == 2 and np.allclose(x, limits) for x in lines)
