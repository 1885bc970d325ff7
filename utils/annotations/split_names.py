"""The splits that names of files and folders mention.

A split is named by a whole word: "train2017" and "images_train" name train, "latest" names none.
"""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from utils.annotations.raw import UNSPLIT

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPLITS = {
    "train": "train",
    "training": "train",
    "trainval": "trainval",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# These words also mean other things, so another word in the name decides first: "test-dev2017".
_LESS_SURE = {"dev": "val", "eval": "val", "evaluation": "val"}
# Words that a name may have beside any split ("Training_Set") ...
_SETS = frozenset({"data", "dataset", "set", "split"})
# ... and words for the kind of data, beside a split whose word has no other meaning.
_KINDS = _SETS | {
    *("image", "images", "img", "imgs", "jpegimages", "photos", "pictures", "label", "labels"),
    *("annotation", "annotations", "annots", "instances", "xml", "xmls", "txt", "json"),
    *("coco", "voc", "yolo", "obj"),
}
# "training_photos" may be photos of a training.
_CLEAR = _SPLITS.keys() - {"training", "testing"}


def split_of_word(word: str) -> str | None:
    """The split that a single word names ("valid", "minival", "testset"), or None."""
    return (_SPLITS | _LESS_SURE).get(_stem(word))


def split_in_name(name: str) -> str | None:
    """The split that the name of a file mentions anywhere ("instances_val2017"), or None."""
    found = _split_at(_words(name))
    return found and found[0]


def split_of_list(stem: str) -> str | None:
    """The split that the name of a list in `ImageSets` is, or None.

    VOC also has lists for single classes, among them the class train: "train_val".
    """
    words = _words(stem)
    found = _split_at(words)
    return found[0] if found and all(word in _KINDS for word in _without(words, found[1])) else None


def split_of(names: Iterable[str]) -> str:
    """The split in the first name that mentions one, or UNSPLIT."""
    return next(filter(None, map(split_in_name, names)), UNSPLIT)


def first_split(splits: Iterable[str]) -> str:
    """The first one that is not UNSPLIT, or UNSPLIT."""
    return next((split for split in splits if split != UNSPLIT), UNSPLIT)


def split_of_file(path: Path, root: Path) -> str:
    """The split that the name of a file mentions, or else that of a folder below `root`."""
    return split_in_name(path.stem) or split_of_folder(path.parent, root)


def split_of_folder(folder: Path, root: Path) -> str:
    """The split that a folder below `root`, or else its nearest parent, is named after."""
    folder, root = (Path(os.path.normpath(path.absolute())) for path in (folder, root))
    depth = len(folder.relative_to(root).parts) if folder.is_relative_to(root) else 0
    nearest_first = (folder, *folder.parents)[:depth]
    return next(filter(None, map(split_of_one_folder, nearest_first)), UNSPLIT)


def split_of_one_folder(folder: Path) -> str | None:
    """The split that a folder is named after, or None.

    The name is that of the split alone ("train2017", "Training_Set") or with the kind of data
    ("test_images"). A name with other words counts only beside a folder of another split:
    "crash_test" beside "crash_train", "test_hard" also beside "train".
    """
    named = _read_name(folder.name)
    if named is None:
        return None
    return named.split if named.is_clear or _is_one_of_several(folder, named) else None


class _FolderName(NamedTuple):
    """A split that the name of a folder mentions.

    Attributes:
        split: the split.
        rest: the words that name no split.
        is_first: whether they follow the split.
        is_clear: whether the name can hardly mean anything else.
    """

    split: str
    rest: list[str]
    is_first: bool
    is_clear: bool


def _read_name(name: str) -> _FolderName | None:
    words = _words(name)
    found = _split_at(words)
    if found is None:
        return None
    split, position = found
    rest = [word for word in words if split_of_word(word) is None]
    usual = _KINDS if _stem(words[position]) in _CLEAR else _SETS
    return _FolderName(split, rest, position == 0, usual.issuperset(rest))


def _is_one_of_several(folder: Path, named: _FolderName) -> bool:
    """Whether a folder beside this one is named after another split."""
    with suppress(OSError):
        for sibling in folder.parent.iterdir():
            other = _read_name(sibling.name)
            if other is None or other.split == named.split or not sibling.is_dir():
                continue
            if other.rest == named.rest or (named.is_first and not other.rest):
                return True
    return False


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_CAMEL_CASE.sub(" ", name))]


def _stem(word: str) -> str:
    return word.casefold().removeprefix("mini").removesuffix("set")


def _split_at(words: Sequence[str]) -> tuple[str, int] | None:
    """The split that the words name and the position of its word; "train val" is trainval."""
    splits = [split_of_word(word) for word in words]
    named = [i for i, split in enumerate(splits) if split]
    if not named:
        return None
    sure = [i for i in named if _stem(words[i]) in _SPLITS]
    position = (sure or named)[0]
    if splits[position : position + 2] == ["train", "val"]:
        return "trainval", position
    return str(splits[position]), position


def _without(words: Sequence[str], position: int) -> list[str]:
    return [*words[:position], *words[position + 1 :]]
