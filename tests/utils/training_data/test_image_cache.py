"""Caches of decoded images: the same pixels, read once, never stale and never half-written."""

import errno
import os
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from utils.errors import UserError
from utils.files.writing import make_temporary
from utils.image import ImageError
from utils.records import Record
from utils.training_data import image_cache as cache
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.image_cache import DiskCache, MemoryCache, available_memory, read_record

pytestmark = pytest.mark.quick

MIB = 2**20


def record(path: Path, size: tuple[int, int]) -> Record:
    boxes = np.array([[5, 5, 30, 30]], np.float32)
    return Record(path, size, boxes, np.zeros(1, np.int32), np.zeros(1, bool))


def write(path: Path, seed: int, size=(60, 44)) -> Record:
    image = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    cv2.imwrite(str(path), image)
    return record(path, size)


@pytest.fixture
def records(tmp_path):
    found = [write(tmp_path / f"{n}.jpg", n, (60 + n, 44)) for n in range(4)]
    cv2.imwrite(str(tmp_path / "gray.png"), np.arange(2400, dtype=np.uint8).reshape(40, 60))
    return [*found, record(tmp_path / "gray.png", (60, 40))]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


@pytest.fixture(params=["ram", "disk"])
def kept(request, folder):
    return MemoryCache() if request.param == "ram" else DiskCache(folder)


@pytest.fixture
def reads(monkeypatch):
    """The image files that were read, in turn."""
    seen = []

    def read(path):
        seen.append(path)
        return original(path)

    original = cache.read_image
    monkeypatch.setattr(cache, "read_image", read)
    return seen


def test_training_sees_the_same_pixels_and_boxes(records, kept):
    def batches(read):
        data = TrainingSet(records, (64, 96), 1, Augmentation(mixup=0.5), 99, read)
        return [data.batch(step, epoch, 3) for epoch in range(4) for step in range(2)]

    for (images, targets), (others, expected) in zip(
        batches(kept), batches(read_record), strict=True
    ):
        np.testing.assert_array_equal(images, others)
        for name, values in expected.items():
            np.testing.assert_array_equal(targets[name], values)


def test_each_image_is_decoded_once(records, kept, reads):
    for _ in range(3):
        for one in records:
            np.testing.assert_array_equal(kept(one), read_record(one))
    assert len(reads) == len(records) + 3 * len(records), "once by the cache, thrice by the test"


def test_what_is_in_memory_cannot_be_changed_by_accident(records):
    image = MemoryCache()(records[0])
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 0


def test_another_program_finds_the_images_on_the_disk(records, folder, reads):
    images = [DiskCache(folder)(one) for one in records]
    del reads[:]
    for one, image in zip(records, images, strict=True):
        np.testing.assert_array_equal(DiskCache(folder)(one), image)
    assert not reads


@pytest.mark.parametrize("same", ["size", "time"])
def test_an_image_that_has_changed_is_decoded_again(tmp_path, folder, same):
    path = tmp_path / "image.bmp"  # two images of one size are files of one size
    before = write(path, 0)
    old, status = DiskCache(folder)(before), path.stat()
    after = write(path, 1)
    if same == "time":
        path.write_bytes(path.read_bytes() + b"more")
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    else:
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns + 1000))
    for _ in range(2):
        new = DiskCache(folder)(after)
        assert (new != old).any()
        np.testing.assert_array_equal(new, read_record(after))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: b"", lambda data: data * 2]
)
def test_a_damaged_file_is_replaced(records, folder, reads, damage):
    kept = DiskCache(folder)
    image = kept(records[0])
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(kept(records[0]), image)
    assert file.read_bytes() == whole
    assert len(reads) == 2


def test_a_full_disk_costs_only_time(records, folder, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    np.testing.assert_array_equal(DiskCache(folder)(records[0]), read_record(records[0]))
    assert not list(folder.iterdir())


def test_threads_share_a_cache(records, kept):
    expected = [read_record(one) for one in records]
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(kept, records * 20))
    for n, image in enumerate(images):
        np.testing.assert_array_equal(image, expected[n % len(records)])


def test_a_copy_in_another_process_reads_the_same(records, kept):
    kept(records[0])
    packed = pickle.dumps(kept)
    assert len(packed) < 500, "no pixels travel"
    copy = pickle.loads(packed)
    for one in records:
        np.testing.assert_array_equal(copy(one), read_record(one))


def test_an_image_that_is_gone_or_of_another_size_is_named(records, kept, tmp_path):
    for bad in (replace(records[0], image=tmp_path / "gone.jpg"), replace(records[0], size=(9, 9))):
        with pytest.raises(ImageError, match=bad.image.name):
            kept(bad)


def of_size(*sizes) -> list[Record]:
    """Records of images that are nowhere: what they take is known without reading them."""
    return [record(Path(f"{n}.jpg"), size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(("free", "fits"), [(10, True), (5, False)])
def test_memory_is_reported_beforehand_and_refused_if_it_does_not_suffice(monkeypatch, free, fits):
    monkeypatch.setattr(cache, "available_memory", lambda: free * MIB)
    records = of_size((1024, 1024), (1024, 512))
    line = f"--cache ram: 2 decoded images take 4.5 MiB of {free}.0 MiB free memory"
    if fits:
        assert MemoryCache().claim([*records, records[0]], 1) == line
        in_two = f"{line} in 2 processes (--cache disk is shared)".replace("4.5", "9.0")
        with pytest.raises(UserError, match=re.escape(in_two)):
            MemoryCache().claim(records, 2)
    else:
        with pytest.raises(UserError, match=f"{line}; it may take at most 80%"):
            MemoryCache().claim(records, 1)


def test_space_is_reported_beforehand_without_what_is_cached_already(records, folder, monkeypatch):
    def claim(free):
        monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        return DiskCache(folder / "new").claim([*records, *of_size((1024, 1024))])

    assert claim(8 * MIB).startswith("--cache disk: 6 decoded images take 3.0 MiB of 8.0 MiB free ")
    with pytest.raises(UserError, match=r"take 3\.0 MiB of 2\.0 MiB free space in .*new"):
        claim(2 * MIB)
    for one in records:
        DiskCache(folder / "new")(one)
    assert claim(8 * MIB).startswith("--cache disk: 1 decoded images take 3.0 MiB")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--cache disk: .*kept cannot be written"):
        DiskCache(tmp_path / "file" / "kept").claim(of_size((9, 9)))


def test_unfinished_files_of_killed_programs_are_removed_after_a_day(folder):
    kept = [make_temporary(folder / "young.rgb"), folder / "old.rgb"]
    old = [make_temporary(folder / "old.rgb"), kept[1]]
    for file in old:
        file.touch()
        os.utime(file, (time.time() - 90_000,) * 2)
    DiskCache(folder).claim(of_size((9, 9)))
    assert sorted(folder.iterdir()) == sorted(kept)


def test_available_memory_respects_the_limit_of_a_container(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_CGROUP", tmp_path)
    everywhere = available_memory()
    assert everywhere > MIB
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert available_memory() == 350_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() == pytest.approx(everywhere, rel=0.2)
