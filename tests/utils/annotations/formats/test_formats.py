"""A format that is added to the list of formats is detected, and named in the errors."""

import pytest

from tests.helpers.annotation_files import all_records, load, write_image, write_text
from utils.annotations import formats
from utils.annotations.raw import Annotation, DataFormat, Entry, RawDataSet, RawObject
from utils.errors import UserError

pytestmark = pytest.mark.quick


def read_dots(path):
    """Each line of a .dots file is the name of an image with a cat in the corner."""
    if path.suffix != ".dots":
        return []
    annotation = Annotation([RawObject("cat", (0, 0, 9, 9), "line 1")], [])
    entries = [
        Entry(path.parent / name, path, lambda: annotation) for name in path.read_text().split()
    ]
    return [RawDataSet("dots", {"train": entries})]


def read_folder(root):
    return [data_set for path in root.iterdir() for data_set in read_dots(path)]


@pytest.fixture
def with_dots(monkeypatch):
    dots = DataFormat("a *.dots file", read_folder, "a .dots file", read_dots)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, dots))


@pytest.mark.usefixtures("with_dots")
def test_an_added_format_is_read_from_a_folder_and_from_a_file(tmp_path):
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
    path = write_text(tmp_path / "my.dots", "a.png b.png")
    for data in (load(tmp_path), load(path)):
        assert data.format == "dots"
        assert set(all_records(data)) == set("ab")


@pytest.mark.usefixtures("with_dots")
def test_the_errors_name_an_added_format(tmp_path):
    with pytest.raises(UserError, match=r"expected .*, or a \*\.dots file"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"expected .*, or a \.dots file"):
        load(write_text(tmp_path / "notes.txt", "hello"))
