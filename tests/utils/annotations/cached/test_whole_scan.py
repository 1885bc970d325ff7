"""A data set in which no file has changed is not looked into again, and any change is seen."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.annotation_files import CAT, DOG, load, voc_xml, write_image, write_text
from utils.annotations import load as load_module
from utils.annotations import load_dataset
from utils.annotations.cached import cache_file
from utils.errors import UserError

pytestmark = pytest.mark.quick

COCO = {
    "images": [{"id": number, "file_name": f"{name}.png"} for number, name in enumerate("abcd")],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 3, "bbox": [1, 2, 30.5, 20], "iscrowd": 1},
        {"id": 2, "image_id": 1, "category_id": 3, "bbox": [1, 2, "?", 20]},
        {"id": 3, "image_id": 2, "category_id": 4, "bbox": [9, 2, 5, 20]},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
}
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
# By format: its files beside the folder of images.
FORMATS = {
    "VOC": {f"Annotations/{name}.xml": voc_xml([CAT, DOG]) for name in "abcd"},
    "COCO": {"annotations/instances.json": json.dumps(COCO)},
    "YOLO": {
        "data.yaml": "path: .\ntrain: images\nnames: [cat, dog]\n",
        "labels/a.txt": "0 0.5 0.5 0.5 0.5\n1 0.2 0.2 0.1 0.1\nno label\n",
    },
    "CSV": {"labels.csv": CSV + "".join(f"{name}.png,60,40,cat,1,2,30,20\n" for name in "abcd")},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder for one test, in which files need no minimum age."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", -(10**12))
    return tmp_path / "cache" / "yolov4" / "scans"


@pytest.fixture
def scans(monkeypatch):
    """An item for each time that a data set was scanned."""
    times = []

    def find(paths):
        times.append(paths)
        return find_data(paths)

    find_data = load_module.find_data
    monkeypatch.setattr(load_module, "find_data", find)
    return times


@pytest.fixture(params=FORMATS)
def root(request, tmp_path):
    """A data set of four images."""
    for name in "abcd":
        write_image(tmp_path / "data" / "images" / f"{name}.png")
    for path, text in FORMATS[request.param].items():
        write_text(tmp_path / "data" / path, text)
    return tmp_path / "data"


only = pytest.mark.parametrize("root", ["VOC"], indirect=True)


def content(data):
    """Everything a scan returns; types and bits of arrays, too."""
    records = {split: list(map(_values, items)) for split, items in data.splits.items()}
    report = data.report
    parts = (report.findings, report.notes, report.warnings, dict(report.unused), report.to_csv())
    return data.format, data.class_names, records, parts, report.text


def arrays_of(record):
    return record.boxes, record.labels, record.difficult


def _values(record):
    arrays = [(array.dtype, array.shape, array.tobytes()) for array in arrays_of(record)]
    return record.image, record.size, record.digest, arrays


def test_an_unchanged_data_set_is_not_scanned_again(root, scans):
    first = content(load(root))
    assert len(scans) == 1
    second = load(root)
    assert content(second) == first
    assert len(scans) == 1
    assert all(array.flags.writeable for array in arrays_of(second.splits["train"][0]))


@pytest.mark.parametrize("seed", range(3))
def test_a_kept_scan_equals_one_of_any_boxes_and_names(tmp_path, scans, seed):
    """Objects of many images, with findings, warnings, empty images and files that are not used."""
    rng = np.random.default_rng(seed)
    for number in range(12):
        names = rng.choice(["cat", "dög", 'a "b"', "東京"], rng.integers(0, 4))
        objects = [(name, *rng.normal(20, 20, 4).round(3).tolist()) for name in names]
        write_image(tmp_path / "d" / f"{number} é.png")
        write_text(tmp_path / "d" / f"{number} é.xml", voc_xml(objects))
    write_image(tmp_path / "d" / "other" / "alone.png")
    write_text(tmp_path / "d" / "notes.json", '{"bbox": 1}')
    first = content(load(tmp_path / "d", seed=seed))
    assert first[3][0]
    assert first[3][3]
    assert content(load(tmp_path / "d", seed=seed)) == first
    assert len(scans) == 1


def _replace(path: Path) -> None:
    """Other bytes, as many, and the former time of change."""
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "an image is added": lambda root: write_image(root / "images" / "e.png"),
    "an image is removed": lambda root: (root / "images" / "d.png").unlink(),
    "an image is renamed": lambda root: (root / "images" / "d.png").rename(
        root / "images" / "z.png"
    ),
    "an image is written again": lambda root: write_image(root / "images" / "b.png"),
    "bytes are replaced": lambda root: _replace(root / "images" / "b.png"),
    "a file of another kind is added": lambda root: write_text(root / "new.json", '{"bbox": []}'),
    "a folder of images is added": lambda root: shutil.copytree(root / "images", root / "more"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(root, scans, change):
    load(root)
    CHANGES[change](root)
    changed = content(load(root))
    assert len(scans) == 2
    shutil.rmtree(cache_file.cache_folder())
    assert content(load(root)) == changed


def test_every_annotation_that_changes_is_seen(root, scans):
    files = [path for path in root.rglob("*.*") if path.suffix != ".png"]
    load(root)
    for path in files:
        path.write_bytes(path.read_bytes() + b"\n")
        load(root)
    assert len(scans) == 1 + len(files)


@only
def test_classes_and_the_seed_have_scans_of_their_own(root, scans):
    results = [content(load(root, seed=seed)) for seed in (0, 1, 0, 1)]
    assert results[:2] == results[2:]
    cats = [load(root, class_names=["cat"]) for _ in range(2)]
    assert cats[0].report.text == cats[1].report.text != results[0][-1]
    assert len(scans) == 3


@only
def test_bad_data_is_an_error_the_second_time_too(root):
    write_text(root / "Annotations" / "a.xml", voc_xml([("cat", 3, 3, 3, 9)]))
    load(root)
    with pytest.raises(UserError, match="1 problem in the data"):
        load(root, on_bad_data="error")


@only
@pytest.mark.parametrize("name", ["a.png", "a.xml"])
def test_files_that_could_not_be_read_are_tried_again(root, scans, name):
    (path,) = root.rglob(name)
    path.write_bytes(b"<annotation>")
    load(root)
    load(root)
    assert len(scans) == 2


@only
def test_a_missing_image_is_looked_for_again(root, scans):
    (root / "images" / "a.png").unlink()
    load(root)
    load(root)
    assert len(scans) == 2


@pytest.mark.parametrize("root", ["YOLO"], indirect=True)
def test_test_images_elsewhere_are_found_when_they_come(root, scans):
    yaml = root / "data.yaml"
    yaml.write_text(yaml.read_text() + "test: ../elsewhere\n")
    assert "test" not in load(root).splits
    write_image(root.parent / "elsewhere" / "t.png")
    assert [record.image.name for record in load(root).splits["test"]] == ["t.png"]
    write_image(root.parent / "elsewhere" / "u.png")
    assert len(load(root).splits["test"]) == 2
    assert len(scans) == 3


@only
def test_a_file_is_as_good_as_its_folder(root, scans):
    """What a single file names may lie anywhere, so it is always looked for."""
    write_text(root / "list.json", json.dumps(COCO))
    first = content(load(root / "list.json"))
    assert content(load(root / "list.json")) == first
    assert len(scans) == 2


@only
def test_the_current_folder_is_part_of_a_relative_path(root, scans, monkeypatch, tmp_path):
    shutil.copytree(root, tmp_path / "other" / "data")
    write_image(tmp_path / "other" / "data" / "images" / "a.png", (30, 20))
    sizes = []
    for folder in (tmp_path, tmp_path / "other") * 2:
        monkeypatch.chdir(folder)
        records = [record for items in load("data").splits.values() for record in items]
        sizes.append({record.size for record in records})
    assert sizes == [{(60, 40)}, {(60, 40), (30, 20)}] * 2
    assert len(scans) == 2


@only
def test_the_current_folder_itself_is_a_data_set(root, scans, monkeypatch):
    monkeypatch.chdir(root)
    first = content(load("."))
    assert content(load(".")) == first
    assert len(scans) == 1


@only
def test_a_file_that_may_still_change_within_a_clock_tick_is_looked_at_again(
    root, scans, monkeypatch
):
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", 10**12)
    load(root)
    load(root)
    assert len(scans) == 2


@pytest.fixture
def kept(tmp_path, cache):
    """A data set that has been scanned, what came out, and where it is kept."""
    for name, objects in (("a", [CAT]), ("b", [DOG])):
        write_image(tmp_path / "data" / f"{name}.png")
        write_text(tmp_path / "data" / f"{name}.xml", voc_xml(objects))
    first = content(load(tmp_path / "data"))
    (file,) = cache.glob("*.scan.json")
    return tmp_path / "data", first, file


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(part=st.floats(0, 1, exclude_max=True), damage=st.sampled_from(["cut", "replaced", "added"]))
def test_a_damaged_file_of_the_cache_is_made_again(kept, part, damage):
    root, first, file = kept
    valid = file.read_bytes()
    start, end = valid[: int(part * len(valid))], valid[int(part * len(valid)) + 1 :]
    file.write_bytes(
        {"cut": start, "replaced": start + b"\xff" + end, "added": valid + b" "}[damage]
    )
    assert content(load(root)) == first
    assert file.read_bytes() == valid


@only
@pytest.mark.parametrize("wrong", [7, [], {}, {"format": "VOC"}, "part"])
def test_another_content_with_its_checksum_is_ignored(root, scans, cache, wrong):
    """The checksum guards against accidents; whatever it lets through must not end the program."""
    first = content(load(root))
    (file,) = cache.glob("*.scan.json")
    whole = load_module.WholeScan([root], None, 0)
    kept = cache_file.read_kept(file, whole._state)
    if wrong == "part":
        kept["splits"]["train"]["ends"].pop()
        wrong = kept
    cache_file.write_kept(file, whole._state, wrong)
    assert content(load(root)) == first
    assert len(scans) == 2


@only
def test_another_version_scans_again(root, scans, monkeypatch):
    load(root)
    monkeypatch.setattr(cache_file.simplejpeg, "__version__", "0")
    load(root)
    assert len(scans) == 2


@only
def test_links_count_as_what_they_point_to(root, scans, tmp_path):
    outside = tmp_path / "outside.png"
    (root / "images" / "a.png").rename(outside)
    (root / "images" / "a.png").symlink_to(outside)
    load(root)
    load(root)
    assert len(scans) == 1
    write_image(outside, (30, 20))
    sizes = {record.size for items in load_dataset(root).splits.values() for record in items}
    assert (30, 20) in sizes
    assert len(scans) == 2
