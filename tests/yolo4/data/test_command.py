"""`python -m yolo4 data` from end to end, on data with leaks, odd boxes and foreign names."""

import base64
import contextlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.helpers.report_page import Page
from utils.errors import UserError
from yolo4.cli import parse
from yolo4.data.command import show_data
from yolo4.data.options import DataOptions
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

EVIL = '<img src=x onerror=alert(1)> "$x^2$" 細胞'


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "sample", 24, 6, 6, size=128)


@pytest.fixture
def data(tmp_path, sample):
    return shutil.copytree(sample, tmp_path / "my data")


@pytest.fixture
def page_of(tmp_path, capsys):
    """Makes the page of a data set; the page and what was printed."""

    def made(data, **options):
        output = tmp_path / "out" / "page.html"
        show_data(DataOptions(data=(str(data),), output=str(output), **options))
        return Page(output.read_text(encoding="utf-8")), capsys.readouterr().out

    return made


def test_the_page_shows_every_class_and_needs_no_other_file(page_of, data):
    page, printed = page_of(data)
    for name in ("apple", "key", "ladybird", "leaf"):
        assert name in page.text
    images = [attributes["src"] for attributes in page.tags("img")]
    assert len(images) > 4 * 12
    assert all(source.startswith("data:image/jpeg;base64,") for source in images)
    assert not page.tags("link")
    assert all(a["href"].startswith(("#", "data:text/csv")) for a in page.tags("a"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {a["href"][1:] for a in page.tags("a") if a["href"][0] == "#"} <= set(ids)
    assert "No two boxes of an image have an IoU of 0.75 or more." in page.text
    assert "nearly the same image in two splits: none" in printed
    assert re.search(r"page: .*out.page\.html\n$", printed)


def test_copies_in_another_split_are_named_and_shown(page_of, data):
    images = data / "JPEGImages"
    Image.open(images / "train_00003.jpg").save(images / "test_00001.jpg", quality=40)
    bright = np.clip(np.asarray(Image.open(images / "train_00004.jpg")) * 1.3, 0, 255)
    Image.fromarray(bright.astype(np.uint8)).save(images / "val_00002.jpg")
    page, printed = page_of(data)
    for split, copy, original in (
        ("test", "test_00001", "train_00003"),
        ("val", "val_00002", "train_00004"),
    ):
        copied, first = (images / f"{name}.jpg" for name in (copy, original))
        assert f"  {split}: {copied} and train: {first}\n" in printed
    assert "1 of 6 images of test is nearly the same as an image of train" in page.text
    (link,) = (a["href"] for a in page.tags("a") if a.get("download") == "leaks.csv")
    rows = base64.b64decode(link.partition(",")[2]).decode().splitlines()
    assert rows[0] == "split,image,other_split,other_image,bits"
    assert [row.split(",")[0] for row in rows[1:]] == ["val", "test"]
    shown = {attributes["alt"] for attributes in page.tags("img")}
    assert {str(images / "test_00001.jpg"), str(images / "train_00003.jpg")} <= shown


def test_a_box_that_is_annotated_twice_is_shown(page_of, data):
    file = data / "Annotations" / "train_00005.xml"
    text = file.read_text(encoding="utf-8")
    first = re.search(r"<object>.*?</object>", text, re.DOTALL)[0]
    left = re.search(r"<xmin>(\d+)", first)
    again = first.replace(left[0], f"<xmin>{int(left[1]) + 1}")
    file.write_text(text.replace(first, first + again, 1), encoding="utf-8")
    page, _ = page_of(data)
    assert "1 pair of boxes of an image has an IoU of 0.75 or more" in page.text
    assert "IoU 0.9" in page.text


def test_names_are_plain_text(page_of, data):
    for file in (data / "Annotations").glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        name = EVIL.replace("<", "&lt;").replace(">", "&gt;")
        file.write_text(text.replace("<name>key<", f"<name>{name}<"), encoding="utf-8")
    page, _ = page_of(data)
    assert EVIL in page.text
    assert all("onerror" not in attributes for attributes in page.tags("img"))


def test_an_image_that_goes_while_the_page_is_made_has_no_picture(page_of, data, monkeypatch):
    from utils import image as images
    from utils.image import ImageError
    from yolo4.data import pictures

    def read(path, least_side=0):
        if path.name == "train_00000.jpg":
            raise ImageError(path, "gone")
        return images.read_image(path, least_side)

    monkeypatch.setattr(pictures, "read_image", read)
    page, _ = page_of(data)
    assert not [a for a in page.tags("img") if "train_00000" in a["alt"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"network": "yolov4-tiny"}, "yolov4-tiny"), ({"input_size": (320, 416)}, "416x320")],
)
def test_the_settings_of_a_training_are_those_of_the_page(page_of, data, options, words):
    page, _ = page_of(data, **options)
    assert words in page.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--output", "data.yaml"], r"--output is 'data.yaml'; expected the name of a page, \*"),
        (["--input-size", "400"], "--input-size is 400; it must be a multiple of 32"),
        (["--network", "yolov4-tiny", "--input-size", "0"], "--input-size is 0; it must be"),
        (["--split-seed", "-1"], "--split-seed is -1; it must be a number, at least 0"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        show_data(parse(DataOptions(), "", arguments))
    assert "\n" not in str(error.value)


def test_a_page_that_cannot_be_written_is_one_line(tmp_path, data):
    (tmp_path / "file").write_text("")
    options = DataOptions(data=(str(data),), output=str(tmp_path / "file" / "page.html"))
    with pytest.raises(UserError, match=r"--output .*file: cannot write there"):
        show_data(options)


def test_data_of_difficult_objects_alone_is_refused(tmp_path, data):
    for file in (data / "Annotations").glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("<difficult>0<", "<difficult>1<"), encoding="utf-8")
    options = DataOptions(data=(str(data),), output=str(tmp_path / "page.html"))
    with pytest.raises(UserError, match="my data: all objects are marked difficult"):
        show_data(options)
    with contextlib.suppress(FileNotFoundError):
        pytest.fail((tmp_path / "page.html").read_text())
