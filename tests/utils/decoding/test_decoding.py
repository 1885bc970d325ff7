"""Images whose data ends early are found, and no small file takes much memory."""

import io
import pickle
import re

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.hostile import is_harmless, mutated, peak_memory, refusal
from tests.helpers.png_file import png_bytes
from utils.decoding.limits import MOST_PIXELS
from utils.image import ImageError, decode_image, exif_orientation, read_image, unused_bits

pytestmark = pytest.mark.quick

# Color type and bits.
PNG_KINDS = [(0, 1), (0, 8), (0, 16), (2, 8), (2, 16), (3, 2), (3, 8), (4, 8), (4, 16), (6, 8)]


def noise(height=96, width=128):
    """Every block of it takes many bytes."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def encoded(pixels, kind, mode=None, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


JPEGS = {
    "baseline": encoded(noise(), "JPEG"),
    "progressive": encoded(noise(), "JPEG", progressive=True),
    "gray": encoded(noise()[:, :, 0], "JPEG"),
    "four colors": encoded(noise(), "JPEG", "CMYK"),
    "restarts": encoded(noise(), "JPEG", restart_marker_blocks=4),
}


@pytest.mark.parametrize("kind", JPEGS)
@given(data=st.data())
def test_a_jpeg_whose_data_ends_early_is_refused_although_it_has_an_end(kind, data):
    whole = JPEGS[kind]
    first = whole.index(b"\xff\xda") + 20
    kept = data.draw(st.integers(first, len(whole) - 20))
    # Between two scans of a progressive JPEG, the image is whole, if not as sharp.
    assume(not re.search(rb"\xff[^\x00\xd0-\xd7]", whole[kept - 100 : kept + 20]))
    with pytest.raises(ImageError, match=r"a\.jpg: unreadable or truncated"):
        decode_image(whole[:kept] + b"\xff\xd9", "a.jpg")


@pytest.mark.parametrize("kind", ["baseline", "progressive", "gray", "restarts"])
def test_pixels_of_a_jpeg_are_those_of_opencv(kind):
    expected = cv2.imdecode(np.frombuffer(JPEGS[kind], np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decode_image(JPEGS[kind], "a.jpg"), expected)


def test_bytes_between_data_and_end_are_harmless():
    whole = JPEGS["baseline"]
    expected = decode_image(whole, "a.jpg")
    padded = whole[:-2] + b"\x00\x01\x02" + whole[-2:]
    np.testing.assert_array_equal(decode_image(padded, "a.jpg"), expected)


@pytest.mark.parametrize(("color", "depth"), PNG_KINDS)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", [(37, 22), (8, 1), (1, 9), (16, 17)])
def test_a_png_whose_data_ends_early_is_refused(color, depth, interlaced, size):
    whole = png_bytes(*size, color, depth, interlaced)
    assert decode_image(whole, "a.png").shape == (size[1], size[0], 3)
    for kept in (0.0, 0.3, 0.9, 0.999):
        with pytest.raises(ImageError, match=r"a\.png: .*(ends early|truncated)"):
            decode_image(png_bytes(*size, color, depth, interlaced, kept), "a.png")


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_black_png_is_whole(interlaced):
    data = png_bytes(37, 22, interlaced=interlaced, value=0)
    assert decode_image(data, "a.png").max() == 0


def stated_size(kind, width, height):
    """A small file that says that it has many pixels."""
    if kind == "png":
        return png_bytes(width, height, kept=0)
    data = bytearray(encoded(noise(8, 8), "JPEG", progressive=kind == "progressive"))
    place = data.index(b"\xff\xc2" if kind == "progressive" else b"\xff\xc0") + 5
    data[place : place + 4] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(data)


@pytest.mark.parametrize("kind", ["baseline", "progressive", "png"])
@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((14_000, 14_000), r"its data ends early: \d+ bytes cannot hold 14000x14000 pixels"),
        ((20_000, 10_001), "has 20000x10001 pixels; expected at most 200,000,000"),
        ((60_000, 60_000), "pixels; expected at most 200,000,000|has more than 200,000,000"),
    ],
)
def test_a_small_file_of_many_pixels_takes_no_memory(tmp_path, kind, size, message):
    (tmp_path / "bomb").write_bytes(stated_size(kind, *size))
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / "bomb")


def test_bombs_take_no_memory(tmp_path):
    for kind in ("baseline", "progressive", "png"):
        (tmp_path / kind).write_bytes(stated_size(kind, 14_000, 14_000))
    code = (
        "import sys; from utils.annotations.cached.scan_cache import *; from utils.image import *\n"
    )
    _, before = peak_memory(code)
    code += "for path in sys.argv[1:]:\n  try: read_facts(path)\n  except ImageError: print(1)\n"
    output, peak = peak_memory(code, *sorted(tmp_path.iterdir()))
    assert output == ["1"] * 3
    assert peak < before + 40


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_one_limit_for_all_formats(monkeypatch, kind):
    data = encoded(noise(10, 20), kind)
    for place in ("utils.decoding.limits", "utils.image"):
        monkeypatch.setattr(f"{place}.MOST_PIXELS", 200)
    assert decode_image(data, "a").shape == (10, 20, 3)
    monkeypatch.setattr("utils.decoding.limits.MOST_PIXELS", 199)
    with pytest.raises(ImageError, match="a: has 20x10 pixels; expected at most 199"):
        decode_image(data, "a")


def test_pillow_opens_every_image_of_the_limit():
    assert Image.MAX_IMAGE_PIXELS == MOST_PIXELS >= 19_000 * 9_500


def test_a_jpeg_of_many_scans_is_refused():
    header, scan = JPEGS["baseline"].split(b"\xff\xda", 1)
    with pytest.raises(ImageError, match="has 101 scans; expected at most 100"):
        decode_image(header + (b"\xff\xda" + scan) * 101, "a.jpg")


def test_large_images_are_converted_in_parts(monkeypatch):
    pixels = noise(50, 30)
    monkeypatch.setattr("utils.image._ROWS_AT_ONCE", 100)
    np.testing.assert_array_equal(decode_image(encoded(pixels, "PNG"), "a"), pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "JPEG2000"])
@given(data=st.data())
def test_changed_images_are_decoded_or_refused(kind, data):
    changed = data.draw(mutated(encoded(noise(16, 16), kind)))
    message = refusal(decode_image, changed, "a.img")
    assert message.startswith("a.img: ") or not message
    assert is_harmless(message)
    assert exif_orientation(changed) in range(1, 9)


def deep(highest, color):
    pixels = np.zeros((6, 5, 3) if color else (6, 5), np.uint16)
    pixels[2] = highest
    return pixels


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("highest", "found"), [(4095, "below 4096, .* 0 to 15 of 255"), (1023, "below 1024")]
)
def test_values_of_12_bits_in_16_are_found(suffix, color, highest, found):
    if suffix == ".tif" and color:
        pytest.skip("Pillow reads no such file")
    data = cv2.imencode(suffix, deep(highest, color))[1].tobytes()
    assert re.search(found, unused_bits(data, decode_image(data, "a")))


@pytest.mark.parametrize("color", [False, True])
def test_16_bits_that_are_used_are_not_remarked_on(color):
    data = cv2.imencode(".png", deep(65535, color))[1].tobytes()
    assert unused_bits(data, decode_image(data, "a")) == ""
    data = cv2.imencode(".png", deep(0, color).astype(np.uint8))[1].tobytes()
    assert unused_bits(data, decode_image(data, "a")) == ""


def test_an_error_passes_between_processes():
    error = ImageError("a.png", "the file is empty")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.detail) == (ImageError, str(error), "the file is empty")
