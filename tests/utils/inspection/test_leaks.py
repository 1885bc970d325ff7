"""Nearly the same image in two splits: copies are found, and other images are not."""

import dataclasses

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from utils.inspection import leaks
from utils.inspection.hash_cache import HashCache
from utils.inspection.leaks import (
    MOST_BITS,
    Leak,
    closest,
    describe_leaks,
    find_leaks,
    list_leaks,
)
from utils.inspection.perceptual_hash import BITS, perceptual_hash
from utils.records import Record
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

COPIES = {
    "re-encoded": lambda pixels: encoded(pixels, 30),
    "scaled": lambda pixels: encoded(cv2.resize(pixels, None, fx=0.4, fy=0.4), 90),
    "stretched": lambda pixels: encoded(cv2.resize(pixels, (416, 256)), 90),
    "brightened": lambda pixels: encoded(np.clip(pixels * 1.3, 0, 255).astype(np.uint8), 90),
    "darkened": lambda pixels: encoded((pixels * 0.6).astype(np.uint8), 90),
    "gray": lambda pixels: encoded(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), 90),
}


def encoded(pixels, quality):
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = make_sample_data(tmp_path_factory.mktemp("sample"), 40, 10, 10, size=128)
    return sorted((folder / "JPEGImages").glob("*.jpg"))


def records(files):
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    return [Record(file, (128, 128), *empty, digest=file.read_bytes()) for file in files]


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_in_another_split_is_found_by_name(tmp_path, images, kind):
    original, other = images[3], images[-1]
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(COPIES[kind](cv2.imread(str(original))))
    splits = {"train": records(images[:40]), "test": records([other, copy])}
    (leak,) = find_leaks(splits, progress=False)
    assert (leak.split, leak.image, leak.other_split, leak.other_image) == (
        "test", str(copy), "train", str(original),
    )  # fmt: skip
    assert leak.bits <= MOST_BITS


def test_different_images_are_no_leaks(images):
    splits = {"train": records(images[:20]), "val": records(images[20:40])}
    assert find_leaks(splits | {"test": records(images[40:])}, progress=False) == []


def test_every_pair_of_splits_is_compared_and_the_most_similar_image_named(tmp_path, images):
    original = cv2.imread(str(images[0]))
    good, poor = tmp_path / "good.jpg", tmp_path / "poor.jpg"
    good.write_bytes(encoded(original, 95))
    poor.write_bytes(COPIES["brightened"](original))
    splits = {"train": records([poor, *images[1:5]]), "val": records([images[0]])}
    found = find_leaks(splits | {"test": records([good])}, progress=False)
    assert [(leak.split, leak.other_split, leak.other_image) for leak in found] == [
        ("val", "train", str(poor)),
        ("test", "train", str(poor)),
        ("test", "val", str(images[0])),
    ]  # fmt: skip
    assert found[2].bits <= found[1].bits


def test_a_val_that_is_the_test_split_is_no_leak(images):
    same = records(images[:4])
    assert find_leaks({"val": same, "test": records(images[:4])}, progress=False) == []
    other = [*same[:3], dataclasses.replace(same[3], digest=b"another file")]
    assert len(find_leaks({"val": same, "test": other}, progress=False)) == 4


def test_an_image_that_is_gone_is_left_out(tmp_path, images):
    there = records(images[:2])
    gone = dataclasses.replace(there[0], image=tmp_path / "gone.jpg", digest=b"another file")
    assert find_leaks({"train": there, "test": [gone]}, progress=False) == []
    assert find_leaks({"train": [gone], "test": there}, progress=False) == []


def test_images_are_read_once_and_again_if_they_have_changed(tmp_path, images, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    read, hash_file = [], leaks.hash_file

    def counted(image):
        read.append(image)
        return hash_file(image)

    monkeypatch.setattr(leaks, "hash_file", counted)
    changed = tmp_path / "changed.jpg"
    changed.write_bytes(images[7].read_bytes())

    def found():
        read.clear()
        splits = {"train": records([*images[:5], changed]), "test": records(images[4:7])}
        return [leak.image for leak in find_leaks(splits, progress=False)], sorted(read)

    names, first = found()
    assert names == [str(images[4])]
    # The image that both have is known by its content only after the first time.
    assert first == sorted([*images[:5], changed, *images[4:7]])
    assert found() == (names, [])
    changed.write_bytes(COPIES["brightened"](cv2.imread(str(images[6]))))
    assert found() == ([str(images[4]), str(images[6])], [changed])


def test_an_image_without_a_digest_is_read_every_time(tmp_path, images, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    unknown = [dataclasses.replace(each, digest=b"") for each in records(images[:2])]
    for _ in range(2):
        assert len(find_leaks({"train": unknown, "test": unknown}, progress=False)) == 2
    assert HashCache().find([b""])[1].tolist() == [False]


@pytest.mark.parametrize("splits", [{}, {"train": []}, {"test": []}])
def test_less_than_two_splits_have_no_leaks(splits):
    assert find_leaks(splits, progress=False) == []


def test_the_hash_of_a_whole_and_of_a_reduced_image_differ_in_few_bits(images):
    """The hash is made of a reduced image."""
    whole = cv2.imread(str(images[0]))[..., ::-1]
    large = cv2.resize(whole, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    bits = np.count_nonzero(perceptual_hash(whole) != perceptual_hash(np.ascontiguousarray(large)))
    assert bits < MOST_BITS / 2


def test_the_most_similar_is_that_of_counting_every_bit(monkeypatch):
    monkeypatch.setattr("utils.inspection.leaks._ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    hashes, others = rng.random((20, BITS)) < 0.5, rng.random((31, BITS)) < 0.5
    others[[3, 29]] = hashes[11]  # of equal ones, the first
    index, bits = closest(hashes, others)
    assert (index[11], bits[11]) == (3, 0)
    for i, row in enumerate(hashes):
        distances = [imagehash.ImageHash(row) - imagehash.ImageHash(other) for other in others]
        assert bits[i] == min(distances)
        assert index[i] == distances.index(min(distances))


def test_the_hash_is_that_of_the_library_and_blind_to_brightness():
    rng = np.random.default_rng(1)
    gray = cv2.GaussianBlur(rng.integers(0, 200, (64, 64), np.uint8), (0, 0), 3)
    pixels = np.repeat(gray[..., None], 3, axis=2)
    expected = imagehash.phash(Image.fromarray(gray), hash_size=16).hash.ravel()
    np.testing.assert_array_equal(perceptual_hash(pixels), expected)
    # An offset changes the constant part of the transform alone, which is the largest anyway.
    np.testing.assert_array_equal(perceptual_hash(pixels + np.uint8(40)), expected)


def test_sentences_count_images_by_splits():
    def leak(split, name, other):
        return Leak(split, name, other, "t.jpg", 3)

    found = [leak("test", "a.jpg", "train"), leak("test", "b.jpg", "train")]
    found.append(leak("test", "a.jpg", "val"))
    assert describe_leaks(found, {"train": 9, "val": 4, "test": 5}) == [
        "2 of 5 images of test are nearly the same as an image of train",
        "1 of 5 images of test is nearly the same as an image of val",
    ]
    assert describe_leaks([], {}) == []


def test_the_files_of_the_first_leaks_are_listed():
    found = [Leak("val", f"{i}.jpg", "train", f"t{i}.jpg", i) for i in range(12)]
    first, *others, last = list_leaks(found, {"val": 40})
    assert first.endswith(
        "two splits: 12 of 40 images of val are nearly the same as an image of train"
    )
    assert others == [f"  val: {i}.jpg and train: t{i}.jpg" for i in range(10)]
    assert last == "  and 2 more"
    assert list_leaks([], {"val": 40}) == ["nearly the same image in two splits: none"]
