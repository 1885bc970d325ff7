"""What the page answers to an image: pictures side by side, or one line about what is wrong."""

import html
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.yolo4.demo.fakes import SIZE, made_detector, pictures_in, uploaded
from utils.image import ImageError, read_image
from utils.page.html import clean
from utils.postprocess import PREDICTION
from yolo4.demo.answers import Answers
from yolo4.demo.seen import count_words, safe

pytestmark = pytest.mark.quick

BRIGHT = 120
HOSTILE = "<b>dog</b>${1+1}{{x}}"


@pytest.fixture
def detectors():
    """Two detectors of different classes; boxes 2 and 3 of the first overlap by an IoU of 0.6."""
    first = made_detector(
        ("cat", HOSTILE),
        ((0, 0, 20, 20), 0.9, 0),
        ((40, 20, 80, 40), 0.6, 1),
        ((50, 20, 90, 40), 0.5, 1),
    )
    return {"focal": first, "<i>bce": made_detector(("cell",), ((8, 8, 40, 56), 0.4, 0))}


@pytest.fixture
def answers(detectors, tmp_path):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    return Answers(detectors, uploads, threading.Event())


@pytest.fixture
def upload(answers):
    """An upload of a black image of the size of the input."""
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(answers.uploads / "a.png")
    return uploaded(answers.uploads / "a.png")


def words_in(page):
    return [html.unescape(words) for words in re.findall("<p>(.*?)</p>", page)]


def test_each_run_has_its_picture_its_classes_and_its_name(answers, upload):
    _, page = answers.to_image(upload, 0.3, 0.45)
    assert re.findall("<figcaption>(.*?)</figcaption>", page) == ["focal", "&lt;i&gt;bce"]
    assert words_in(page) == [f"1 cat, 1 {HOSTILE}", "1 cell"]
    first, second = pictures_in(page)
    assert first.shape == second.shape == (*SIZE, 3)
    # A part of the left side that no caption covers; JPEG blurs the red line.
    assert second[48:55, 8, 0].min() > BRIGHT > first[48:55, 8].max()


def test_sliders_select_as_a_detector_does_and_run_no_network(answers, upload, detectors):
    seen, _ = answers.to_image(upload, 0.3, 0.45)
    calls = [detector.infer.calls for detector in detectors.values()]
    image = read_image(upload["path"])
    for score, nms in ((0.0, 0.45), (0.3, 0.7), (0.55, 0.45), (0.95, 1.0)):
        page = answers.to_thresholds(seen, score, nms)
        expected = []
        for detector in detectors.values():
            settings = replace(PREDICTION, score_threshold=score, nms_threshold=nms)
            found = detector.predict(image).select(settings)
            expected.append(count_words(found, detector.class_names))
        assert words_in(page) == expected
    after = [detector.infer.calls for detector in detectors.values()]
    assert after == [before + 4 for before in calls]  # those of this test
    assert words_in(answers.to_thresholds(seen, 0.3, 0.7))[0] == f"1 cat, 2 {HOSTILE}"
    assert words_in(answers.to_thresholds(seen, 0.95, 0.45)) == ["nothing found"] * 2


def test_a_large_image_is_shown_smaller_with_its_boxes_in_place(answers):
    Image.fromarray(np.zeros((2000, 3000, 3), np.uint8)).save(answers.uploads / "a.png")
    _, page = answers.to_image(uploaded(answers.uploads / "a.png"), 0.3, 0.45)
    picture = pictures_in(page)[1]
    assert picture.shape[1] == 1280
    # x 8 to 40 and y 8 to 56 of the 96 x 64 pixels of the input.
    colored = picture[..., 0] > BRIGHT
    rows, columns = (np.flatnonzero(colored.any(axis=axis)) for axis in (1, 0))
    np.testing.assert_allclose(columns[[0, -1]], np.array([8, 40]) * 1280 / 96, atol=8)
    np.testing.assert_allclose(rows[-1], 56 * 1280 / 96, atol=8)


def damaged(folder):
    whole = folder / "whole.jpg"
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(whole)
    yield "cut.jpg", whole.read_bytes()[:500]
    yield "text.jpg", b"hello"
    yield "empty.png", b""
    yield HOSTILE.replace("/", "") + ".png", b"<svg onload=alert(1)>"


def test_a_damaged_file_gives_the_line_of_predict(answers, tmp_path):
    for name, data in damaged(tmp_path):
        path = answers.uploads / "stored"
        path.write_bytes(data)
        with pytest.raises(ImageError) as error:
            read_image(path)
        line = str(error.value).replace(str(path), name)
        seen, page = answers.to_image(uploaded(path, name), 0.3, 0.45)
        assert seen is None
        assert page == f'<p class="problem" role="alert">{safe(line)}</p>'
        assert answers.to_thresholds(seen, 0.3, 0.45) == ""


def test_an_image_of_too_many_pixels_is_refused(answers, upload, monkeypatch):
    monkeypatch.setattr("utils.decoding.limits.MOST_PIXELS", 96 * 64 - 1)
    _, page = answers.to_image(upload, 0.3, 0.45)
    assert "a.png: has 96x64 pixels; expected at most 6,143" in page


def test_only_uploads_are_read(answers, upload, tmp_path, detectors):
    secret = tmp_path / "secret.png"
    secret.write_bytes((answers.uploads / "a.png").read_bytes())
    (answers.uploads / "link.png").symlink_to(secret)
    for path in (secret, answers.uploads / "link.png", answers.uploads / ".." / "secret.png"):
        for page in (
            answers.to_image(uploaded(path), 0.3, 0.45)[1],
            answers.to_video(uploaded(path), 0.3, 0.45, print),
        ):
            assert "was not uploaded to this page" in page
    assert all(detector.infer.calls == 0 for detector in detectors.values())


def test_what_has_been_deleted_or_cleared(answers, upload):
    (answers.uploads / "a.png").unlink()
    assert "a.png: is no longer kept here" in answers.to_image(upload, 0.3, 0.45)[1]
    assert answers.to_image(None, 0.3, 0.45) == (None, "")
    assert "no video has been uploaded" in answers.to_video(None, 0.3, 0.45, print)


@given(st.text())
def test_text_of_people_is_shown_and_never_obeyed(text):
    shown = safe(text)
    assert not set(shown) & set("<>\"'${}`\\")
    assert html.unescape(shown).replace("\r", "\n") == clean(text).replace("\r", "\n")
