"""Files that list many images: their images, their splits, and two files of one image."""

from pathlib import Path

import pytest

from tests.helpers.annotation_files import write_image, write_text
from utils.annotations.exports.data_set import read_listings
from utils.annotations.exports.listing import ListedImage, Listing
from utils.annotations.raw import Annotation, Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


def parse(path: Path) -> Listing | None:
    """A file of image names, one per line, after a first line "names"."""
    first, *names = path.read_text(encoding="utf-8").splitlines()
    if first != "names":
        return None
    images = [
        ListedImage(name, f"line {number}", Annotation([], []))
        for number, name in enumerate(names, start=2)
    ]
    return Listing(path, images)


def write(path: Path, *names: str) -> Path:
    return write_text(path, "\n".join(["names", *names]))


def read(path: Path) -> dict[str, list[str]]:
    """The images of each split, relative to the folder."""
    (data_set,) = read_listings("names", ".names", parse, path)
    root = path if path.is_dir() else path.parent
    return {
        split: [entry.image.relative_to(root).as_posix() for entry in entries]
        for split, entries in data_set.splits.items()
    }


@pytest.mark.parametrize(
    ("file", "image", "split"),
    [
        ("val.names", "a.jpg", "val"),
        ("my_val_labels.names", "images/train/a.jpg", "val"),
        ("val/all.names", "val/a.jpg", "val"),
        ("val/all.names", "images/train/a.jpg", "val"),
        ("all.names", "images/val/a.jpg", "val"),
        ("all.names", "validate/a.jpg", "val"),
        ("crash_test/all.names", "crash_test/a.jpg", "unsplit"),
        ("all.names", "images/a_val.jpg", "unsplit"),
        ("all.names", "a.jpg", "unsplit"),
    ],
)
def test_what_names_the_split(tmp_path, file, image, split):
    write_image(tmp_path / image)
    write(tmp_path / file, Path(image).name)
    assert read(tmp_path) == {split: [image]}


def test_one_file_may_list_the_folders_of_all_splits(tmp_path):
    images = ["train/a.jpg", "train/b.jpg", "test/a.jpg"]
    for image in images:
        write_image(tmp_path / image)
    write(tmp_path / "all.names", *images)
    assert read(tmp_path) == {"train": images[:2], "test": images[2:]}


@pytest.mark.parametrize("names", [("0.jpg",), ("images/0.jpg",), ("C:\\x\\images\\0.jpg",)])
def test_images_of_one_name_are_those_nearest_to_the_file(tmp_path, names):
    for folder in ("one", "two"):
        write_image(tmp_path / folder / "images" / "0.jpg")
    write(tmp_path / "two" / "labels" / "x.names", *names)
    assert read(tmp_path) == {"unsplit": ["two/images/0.jpg"]}


@pytest.mark.parametrize("folder", ["annotations", "labels", "data", "Data"])
def test_a_single_file_finds_the_images_beside_its_folder(tmp_path, folder, monkeypatch):
    write_image(tmp_path / "pictures" / "a.jpg")
    path = write(tmp_path / folder / "x.names", "a.jpg")
    for file in (path, Path("x.names")):
        monkeypatch.chdir(path.parent)
        (data_set,) = read_listings("names", ".names", parse, file)
        assert [entry.image.name for entry in data_set.splits["unsplit"]] == ["a.jpg"]


def test_dots_in_a_path_are_resolved(tmp_path):
    write_image(tmp_path / "images" / "a.jpg")
    write(tmp_path / "labels" / "x.names", "../images/a.jpg")
    assert read(tmp_path) == {"unsplit": ["images/a.jpg"]}


def test_files_of_splits_replace_a_file_of_all(tmp_path):
    for stem in "abc":
        write_image(tmp_path / f"{stem}.jpg")
    write(tmp_path / "all.names", "a.jpg", "b.jpg")
    write(tmp_path / "train.names", "a.jpg")
    write(tmp_path / "val.names", "b.jpg", "c.jpg")
    assert read(tmp_path) == {"train": ["a.jpg"], "val": ["b.jpg", "c.jpg"]}


def test_two_files_of_one_image_are_refused(tmp_path):
    for stem in "ab":
        write_image(tmp_path / f"{stem}.jpg")
    write(tmp_path / "train.names", "a.jpg")
    for other, names in (("train_2", ["a.jpg"]), ("all", ["a.jpg", "b.jpg"])):
        path = write(tmp_path / f"{other}.names", *names)
        with pytest.raises(UserError, match=r"both annotate .*a\.jpg; expected one file for each"):
            read(tmp_path)
        path.unlink()
    write(tmp_path / "val.names", "a.jpg")  # reported later: an image of two splits
    assert read(tmp_path) == {"train": ["a.jpg"], "val": ["a.jpg"]}


def test_nothing_is_lost_silently(tmp_path):
    for name in ("a", "b", "elsewhere/c"):
        write_image(tmp_path / f"{name}.jpg")
    write(tmp_path / "x.names", "a.jpg", "gone.jpg")
    for number in range(5):
        write_text(tmp_path / f"other{number}.names", "something else")
    (data_set,) = read_listings("names", ".names", parse, tmp_path)
    found = [(finding.problem, finding.file.name) for finding in data_set.findings]
    # Images in another folder may have nothing to do with the data set.
    assert found == [(Problem.MISSING_IMAGE, "x.names"), (Problem.MISSING_ANNOTATION, "b.jpg")]
    others = {tmp_path / f"other{number}.names": "other content" for number in range(5)}
    assert data_set.unused == others


def test_a_folder_of_something_else_is_no_data_set(tmp_path):
    write_text(tmp_path / "other.names", "something else")
    assert read_listings("names", ".names", parse, tmp_path) == []
    assert read_listings("names", ".names", parse, tmp_path / "other.names") == []
