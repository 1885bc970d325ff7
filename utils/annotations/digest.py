"""A digest of the data of a training, which tells later what has changed in it."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from utils.files.folders import folder_of
from utils.files.reading import read_json, reading
from utils.files.writing import write_atomically
from utils.printable import brief
from utils.process.collector import collector_paused
from utils.records import Record

_BYTES = 8  # of a hash: two of a million images agree by chance once in 10 million data sets

# An image is known by its content, and the second or third with the same content by its count.
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ImageDigest:
    """An annotated image.

    Attributes:
        name: its path below the folder that all images have in common, for messages.
        content: a hash of the file's bytes.
        objects: a hash of its boxes, their class names and their difficult flags.
    """

    name: str
    content: str
    objects: str


_Splits = Mapping[str, Sequence[ImageDigest]]


@dataclass(frozen=True)
class DataDigest:
    """What a training depends on besides its settings.

    The folder that the data is in is not a part of it, nor are the names of the files, but their
    order is.

    Attributes:
        classes: names of the classes.
        anchors: as `utils.anchors.format_anchors` writes them.
        splits: the images by split, in the order of the training.
    """

    classes: tuple[str, ...]
    anchors: str
    splits: dict[str, tuple[ImageDigest, ...]]

    @classmethod
    @collector_paused()
    def of(
        cls, classes: Sequence[str], anchors: str, splits: Mapping[str, Sequence[Record]]
    ) -> "DataDigest":
        """The digest of records that `load_dataset` has read."""
        folders = {folder_of(record.image) for items in splits.values() for record in items}
        root = _common_folder(folders)
        digests = {
            split: tuple(_digest_of(record, classes, root) for record in items)
            for split, items in splits.items()
        }
        return cls(tuple(classes), anchors, digests)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_atomically(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    @collector_paused()
    def load(cls, path: Path) -> "DataDigest":
        """Read what `save` has written.

        Raises:
            FileError: the file is missing or damaged.
        """
        stored = read_json(path)
        with reading(path, "the digest of a run's data"):
            splits = {
                split: tuple(
                    ImageDigest(**{name: _text(value) for name, value in item.items()})
                    for item in items
                )
                for split, items in stored["splits"].items()
            }
            return cls(tuple(map(_text, stored["classes"])), _text(stored["anchors"]), splits)

    def differences(self, now: "DataDigest") -> list[str]:
        """What has changed since this digest was made; each difference in a few words."""
        changes = _class_changes(self.classes, now.classes)
        if self.anchors != now.anchors:
            changes.append(f"anchors.txt: {now.anchors}, but {self.anchors} when the run began")
        for split in self.splits:
            changes += _image_changes(split, self.splits, now.splits)
        return changes


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"found {brief(value)}, but expected text")
    return value


def _common_folder(folders: Iterable[str]) -> str:
    """The folder that all are below; empty on Windows if they are on several drives."""
    with suppress(ValueError):
        absolute = [str(Path(folder).absolute()) for folder in folders]
        return Path(os.path.commonpath(absolute)).as_posix()
    return ""


def _digest_of(record: Record, classes: Sequence[str], root: str) -> ImageDigest:
    labels: list[int] = record.labels.tolist()
    names = "\0".join(classes[label] for label in labels)
    parts = (
        record.boxes.tobytes(),
        record.difficult.tobytes(),
        names.encode("utf-8", "surrogatepass"),
    )
    return ImageDigest(
        record.image.absolute().as_posix().removeprefix(f"{root}/"),
        record.digest[:_BYTES].hex(),
        blake2b(b"".join(parts), digest_size=_BYTES).hexdigest(),
    )


def _class_changes(before: Sequence[str], now: Sequence[str]) -> list[str]:
    if len(before) != len(now):
        return [f"classes.txt: {len(now)} classes, but {len(before)} when the run began"]
    return [
        f"classes.txt: class {number} is {name!r}, but {old!r} when the run began"
        for number, (old, name) in enumerate(zip(before, now, strict=True))
        if old != name
    ][:1]


def _image_changes(split: str, before: _Splits, now: _Splits) -> list[str]:
    """What has changed in a split; an image that comes from another one is reported there."""
    if _without_names(before[split]) == _without_names(now.get(split, ())):
        return []
    old, new = _by_content(before[split]), _by_content(now.get(split, ()))
    moved_to = {image.content: other for other in now if other != split for image in now[other]}
    left_others = {
        image.content
        for other in before.keys() - {split}
        for image in _lacking(before[other], now.get(other, ()))
    }
    gone = _lacking(before[split], now.get(split, ()))
    came = _lacking(now.get(split, ()), before[split])
    replaced = {image.name for image in gone} & {image.name for image in came}
    changes: dict[str, list[str]] = {}
    for image in gone:
        where = moved_to.get(image.content)
        lost = "replaced" if image.name in replaced else "gone"
        changes.setdefault(f"now in {where}" if where else lost, []).append(image.name)
    for image in came:
        if image.name not in replaced and image.content not in left_others:
            changes.setdefault("new", []).append(image.name)
    for key in old.keys() & new.keys():
        if old[key].objects != new[key].objects:
            changes.setdefault("with other boxes", []).append(new[key].name)
    if not (gone or came):
        places = zip(old, new, strict=True)
        if moved := [new[key].name for earlier, key in places if earlier != key]:
            changes["in another order"] = moved
    return [_say(split, what, names) for what, names in changes.items()]


def _without_names(images: Iterable[ImageDigest]) -> list[tuple[str, str]]:
    return [(image.content, image.objects) for image in images]


def _lacking(images: Sequence[ImageDigest], others: Sequence[ImageDigest]) -> list[ImageDigest]:
    """The images whose content the others lack."""
    there = _by_content(others)
    return [image for key, image in _by_content(images).items() if key not in there]


def _say(split: str, what: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{split}: image {names[0]} {what}"
    return f"{split}: {len(names)} images {what}, first {min(names)}"


def _by_content(images: Iterable[ImageDigest]) -> dict[_Key, ImageDigest]:
    counts: Counter[str] = Counter()
    found: dict[_Key, ImageDigest] = {}
    for image in images:
        found[image.content, counts[image.content]] = image
        counts[image.content] += 1
    return found
