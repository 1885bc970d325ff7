"""Shared by the tests of the formats."""

from pathlib import Path

import pytest

from tests.helpers.annotation_files import write_image
from tests.utils.annotations.formats.coco_files import BOX, coco, write_json


@pytest.fixture
def root(tmp_path) -> Path:
    """COCO's own layout: annotations/instances_<split>.json and a folder of images each."""
    for split in ("train2017", "val2017"):
        for name in ("a", "b"):
            write_image(tmp_path / split / f"{name}.jpg")
        content = coco(["a.jpg", "b.jpg"], [BOX, (2, 3, [0, 0, 60, 40], 1)])
        write_json(tmp_path / "annotations" / f"instances_{split}.json", content)
    return tmp_path
