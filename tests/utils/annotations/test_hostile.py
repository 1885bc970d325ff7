"""A data set with a damaged or hostile file is read, with the file reported, or refused by name."""

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.annotation_files import CAT, DOG, HEIGHT, WIDTH, load, voc_xml, write_image
from tests.helpers.hostile import is_harmless, mutated
from utils.annotations import Problem, load_dataset
from utils.annotations.cached import cache_file
from utils.annotations.cached.whole_scan import WholeScan
from utils.errors import UserError
from utils.printable import printable

pytestmark = pytest.mark.quick

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 30.5, 20]}],
    "categories": [{"id": 3, "name": "cat"}],
}
LABELME = {"shapes": [{"label": "cat", "points": [[1, 2], [30, 20]], "shape_type": "rectangle"}]}
LABELME |= {"imagePath": "a.png", "imageWidth": WIDTH, "imageHeight": HEIGHT, "imageData": None}
CREATE_ML = [{"image": "a.png", "annotations": [{"label": "cat", "coordinates": {}}]}]
CREATE_ML[0]["annotations"][0]["coordinates"] = {"x": 15, "y": 11, "width": 20, "height": 18}
YAML = "path: .\ntrain: images\nval: images\nnames: [cat, dog]\nnc: 2\n"
YOLO = "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.2 0.2 0.3 0.1\n"
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,60,40,cat,1,2,30,20\n"
# By format: the files beside the images, the first of which is changed.
FORMATS = {
    "VOC": {"a.xml": voc_xml([CAT, DOG])},
    "COCO": {"_annotations.coco.json": json.dumps(COCO)},
    "YOLO": {"labels/a.txt": YOLO, "classes.txt": "cat\ndog\n"},
    "YOLO classes": {"classes.txt": "cat\ndog\n", "labels/a.txt": YOLO},
    "data.yaml": {"data.yaml": YAML, "labels/a.txt": YOLO},
    "list": {"train.txt": "a.png 1,2,30,20,0 10,5,60,40,1\n"},
    "CSV": {"_annotations.csv": CSV},
    "LabelMe": {"a.json": json.dumps(LABELME)},
    "CreateML": {"_annotations.createml.json": json.dumps(CREATE_ML)},
}
EVERY_FORMAT = pytest.mark.parametrize("kind", FORMATS)


def write(root, kind):
    """Two images and their files; the path of the file to change."""
    files = FORMATS[kind]
    folder = root / "images" if any(name.startswith("labels") for name in files) else root
    for name in ("a.png", "b.png"):
        write_image(folder / name)
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root / next(iter(files))


@pytest.fixture(autouse=True)
def no_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """By format, the folder of a data set and the content of the file to change."""
    made = {kind: tmp_path_factory.mktemp("data") for kind in FORMATS}
    paths = {kind: write(root, kind) for kind, root in made.items()}
    return {kind: (made[kind], path, path.read_bytes()) for kind, path in paths.items()}


@EVERY_FORMAT
def test_the_data_sets_are_read(tmp_path, kind):
    write(tmp_path, kind)
    assert "cat" in load(tmp_path).class_names or kind == "list"


@EVERY_FORMAT
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_file_is_read_or_refused_in_one_line(folders, kind, data):
    root, path, valid = folders[kind]
    path.write_bytes(data.draw(mutated(valid)))
    try:
        text = load(root).report.text
    except UserError as error:
        text = printable(str(error))  # as commands print it
    assert all(is_harmless(line) and len(line) < 10_000 for line in text.split("\n"))


@EVERY_FORMAT
def test_a_pipe_in_the_place_of_the_file_does_not_block(tmp_path, kind):
    path = write(tmp_path, kind)
    path.unlink()
    os.mkfifo(path)
    try:
        text = load(tmp_path).report.text
    except UserError as error:
        text = str(error)
    assert text


def test_pipes_and_devices_among_images_are_skipped_by_name(tmp_path):
    write(tmp_path, "VOC")
    (tmp_path / "b.xml").write_text(voc_xml([CAT]))
    for name, make in {"c": os.mkfifo, "d": lambda path: path.symlink_to("/dev/zero")}.items():
        make(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(voc_xml([CAT]))
    report = load(tmp_path).report
    bad = {f.file.name: f.detail for f in report.findings if f.problem is Problem.BAD_IMAGE}
    assert bad == {"c.png": "is a pipe; expected a file", "d.png": "is a device; expected a file"}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("gone")])
def test_a_label_file_that_is_none_skips_its_image(tmp_path, make):
    write(tmp_path, "YOLO")
    make(tmp_path / "labels" / "b.txt")
    report = load(tmp_path).report
    (finding,) = (f for f in report.findings if f.problem is Problem.BAD_ANNOTATION)
    assert finding.file.name == "b.txt"


def test_values_beyond_float32_are_no_boxes(tmp_path):
    (tmp_path / "b.xml").write_text(voc_xml([("cat", 1, 2, "1e39", 20), CAT]))
    write_image(tmp_path / "b.png")
    report = load(tmp_path).report
    assert [f.problem for f in report.findings] == [Problem.NOT_FINITE]


def test_control_characters_of_names_do_not_reach_the_terminal(tmp_path, capsys):
    write_image(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(voc_xml([("cat\u202e\x9b31m", 1, 2, 30, 20)]))
    write_image(tmp_path / "b\x1b[2J.png").write_bytes(b"no image")
    (tmp_path / "b\x1b[2J.xml").write_text(voc_xml([CAT]))
    data = load_dataset(tmp_path, progress=True)
    assert data.class_names == ("cat\\u202e\\x9b31m",)
    printed = capsys.readouterr().out
    assert "b\\x1b[2J.png" in printed
    assert all(map(is_harmless, printed.splitlines()))


def test_values_of_12_bits_are_reported(tmp_path):
    write(tmp_path, "VOC")
    pixels = np.full((HEIGHT, WIDTH), 4095, np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    report = load(tmp_path).report
    (finding,) = (f for f in report.findings if f.problem is Problem.FEW_BITS)
    assert finding.file == tmp_path / "a.png"
    assert "0 to 15 of 255" in finding.detail


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A data set that has been scanned, its report, and the cache of its files."""
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", -(10**12))
    monkeypatch.setattr(WholeScan, "write", lambda *_: None)
    write(tmp_path, "VOC")
    report = load(tmp_path).report
    (file,) = cache_file.cache_folder().glob("*.json")
    return tmp_path, report, file


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_a_damaged_cache_is_rebuilt(cached, data):
    root, report, file = cached
    valid = file.read_bytes()
    files = json.loads(valid)["files"]
    entry = data.draw(st.sampled_from(sorted(files)))
    part = data.draw(
        st.sampled_from([None, [], {}, 7, "x", [None] * 5, [[1], ["a"], "?", [], [], None, 1]])
    )
    files[entry] = data.draw(st.sampled_from([part, [files[entry][0], part]]))
    file.write_text(json.dumps(json.loads(valid) | {"files": files}))
    assert load(root).report.text == report.text
    assert json.loads(file.read_bytes()) == json.loads(valid)


@pytest.mark.parametrize("content", [b"", b"[", b"\xff", b"[]", b"7", b'{"files": 3}'])
def test_a_cache_that_is_none_is_rebuilt(cached, content):
    root, report, file = cached
    valid = file.read_bytes()
    file.write_bytes(content)
    assert load(root).report.text == report.text
    assert file.read_bytes() == valid


def test_many_class_names_take_linear_time(tmp_path):
    write(tmp_path, "YOLO")
    names = [f"class {number}" for number in range(118_000)]
    (tmp_path / "classes.txt").write_text("\n".join(names))
    data = load(tmp_path)
    assert data.class_names == tuple(names)
    assert len(data.report.text) < 20_000
