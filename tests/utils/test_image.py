"""Images of every format become 8-bit RGB; letterboxes transform boxes in both directions."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from utils.image import ImageError, Letterbox, exif_orientation, fit_image, read_image
from utils.resize import fit_scale

pytestmark = pytest.mark.quick

HEIGHT, WIDTH = 24, 40


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth picture (JPEG keeps it) in which every corner has its own color."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    channels = [x * 255 // WIDTH, y * 255 // HEIGHT, 255 - x * 255 // WIDTH]
    return np.stack(channels, axis=2).astype(np.uint8)


def near(got: np.ndarray, expected: np.ndarray, tolerance: float = 12) -> bool:
    difference = np.abs(got.astype(int) - expected.astype(int))
    return got.shape == expected.shape and difference.max() <= tolerance


@pytest.mark.parametrize("suffix", ["jpg", "JPG", "png", "bmp", "tiff", "webp", "ppm"])
def test_ordinary_formats(tmp_path: Path, picture, suffix):
    path = tmp_path / f"a b #1 ü 漢.{suffix}"
    Image.fromarray(picture).save(path, "TIFF" if suffix == "tiff" else None, quality=98)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert near(image, picture)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGBA", "P", "CMYK", "YCbCr"])
def test_modes_become_rgb(tmp_path, picture, mode):
    suffix = "tif" if mode in ("CMYK", "YCbCr") else "png"
    image = Image.fromarray(picture).convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    assert np.array_equal(read_image(str(tmp_path / f"a.{suffix}")), image.convert("RGB"))


def test_alpha_is_dropped(tmp_path, picture):
    alpha = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    Image.fromarray(np.concatenate([picture, alpha], axis=2)).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)


def test_palette_with_transparency_is_silent(tmp_path, picture):
    image = Image.fromarray(picture).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(16)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_image(tmp_path / "a.png"), image.convert("RGB"))


def test_cmyk_jpeg(tmp_path, picture):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert near(read_image(tmp_path / "a.jpg"), picture, 16)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path, picture, suffix):
    deep = picture[:, :, 0].astype(np.uint16) * 256 + 37
    Image.fromarray(deep).save(tmp_path / f"gray.{suffix}")
    assert np.array_equal(read_image(tmp_path / f"gray.{suffix}"), picture[:, :, [0, 0, 0]])
    color = cv2.cvtColor(picture.astype(np.uint16) * 256 + 37, cv2.COLOR_RGB2BGR)
    (tmp_path / "color.png").write_bytes(cv2.imencode(".png", color)[1].tobytes())
    assert np.array_equal(read_image(tmp_path / "color.png"), picture)


def test_animation_gives_the_first_frame(tmp_path, picture):
    frames = [Image.fromarray(picture), Image.fromarray(picture[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert near(read_image(tmp_path / "a.gif"), picture, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_rotation_is_applied(tmp_path, picture, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path, exif=exif, quality=98)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert expected.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    assert near(read_image(path), expected, 2)
    assert exif_orientation(path.read_bytes()) == orientation


def test_no_exif_is_orientation_one(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert exif_orientation((tmp_path / "a.png").read_bytes()) == 1


def encoded(picture: np.ndarray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).resize((400, 300)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_is_an_error_and_silent(tmp_path, picture, kind, kept, capfd):
    data = encoded(picture, kind)
    (tmp_path / "cut").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageError, match=r"cut: unreadable or truncated image"):
        read_image(tmp_path / "cut")
    assert capfd.readouterr().err == ""


def test_truncated_progressive_jpeg(tmp_path, picture):
    data = encoded(picture, "JPEG", progressive=True)
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError):
        read_image(tmp_path / "cut.jpg")


def test_the_end_marker_of_a_thumbnail_does_not_complete_a_truncated_jpeg(tmp_path, picture):
    thumbnail = encoded(picture[:8, :8], "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    data = encoded(picture, "JPEG")
    (tmp_path / "whole.jpg").write_bytes(data[:2] + segment + data[2:])
    assert read_image(tmp_path / "whole.jpg").shape == (300, 400, 3)
    (tmp_path / "cut.jpg").write_bytes(data[:2] + segment + data[2 : len(data) // 2])
    with pytest.raises(ImageError):
        read_image(tmp_path / "cut.jpg")


def test_damaged_jpeg_data_is_an_error_and_silent(tmp_path, picture, capfd):
    data = bytearray(encoded(picture, "JPEG"))
    middle = len(data) * 3 // 4
    data[middle : middle + 2] = b"\xff\x13"
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=rf"damaged JPEG data at byte {middle}"):
        read_image(tmp_path / "a.jpg")
    assert capfd.readouterr().err == ""


def test_jpeg_that_claims_a_giant_size(tmp_path, picture):
    data = bytearray(encoded(picture, "JPEG"))
    size = data.index(b"\xff\xc0") + 5
    data[size : size + 4] = b"\xff\xdc\xff\xdc"
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.jpg: unreadable"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_jpeg_with_bytes_after_its_end(tmp_path, picture, options, capfd):
    data = encoded(picture, "JPEG", **options)
    (tmp_path / "a.jpg").write_bytes(data + b"\0" * 50)
    assert read_image(tmp_path / "a.jpg").shape == (300, 400, 3)
    assert capfd.readouterr().err == ""


def test_png_with_a_bad_color_profile_is_silent(tmp_path, picture, capfd):
    (tmp_path / "a.png").write_bytes(encoded(picture, "PNG", icc_profile=b"x" * 200))
    assert read_image(tmp_path / "a.png").shape == (300, 400, 3)
    assert capfd.readouterr().err == ""


def test_errors_name_the_file(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        read_image(tmp_path / "gone.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match=r"empty\.jpg: the file is empty"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "text.jpg").write_text("this is no image")
    with pytest.raises(ImageError, match=r"text\.jpg: not an image"):
        read_image(tmp_path / "text.jpg")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ImageError, match=r"float\.tif: 32-bit float"):
        read_image(tmp_path / "float.tif")


sides = st.integers(1, 3000)
inputs = st.integers(1, 20).map(lambda n: 32 * n)
fractions = st.floats(0, 1, width=32)
resizes = st.sampled_from(["letterbox", "stretch"])


@given(sides, sides, inputs, inputs, resizes, st.lists(st.tuples(*[fractions] * 4), max_size=5))
def test_apply_then_invert_is_identity_inside_the_image(
    width, height, rows, columns, resize, corners
):
    fit = Letterbox.fit((width, height), (rows, columns), resize)
    boxes = np.array(corners, np.float32).reshape(-1, 4) * [width, height, width, height]
    moved = fit.apply(boxes)
    assert moved.dtype == np.float32
    assert moved.shape == boxes.shape
    # float32 input pixels: one part in 2**22 of the input, in source pixels
    tolerance = 1e-3 + max(columns * width / fit.resized[0], rows * height / fit.resized[1]) * 1e-6
    np.testing.assert_allclose(fit.invert(moved), boxes, atol=tolerance)


@given(sides, sides, inputs, inputs)
def test_fit_touches_two_sides_and_is_centered(width, height, rows, columns):
    fit = Letterbox.fit((width, height), (rows, columns))
    scale, _ = fit_scale((width, height), (rows, columns), "letterbox")
    x1, y1, x2, y2 = fit.apply(np.array([[0, 0, width, height]]))[0]
    assert fit.resized[0] == columns or fit.resized[1] == rows
    assert (x2 - x1, y2 - y1) == fit.resized
    assert 0 <= (columns - x2) - x1 <= 1
    assert 0 <= (rows - y2) - y1 <= 1
    assert abs(fit.resized[0] - width * scale) <= 1
    assert abs(fit.resized[1] - height * scale) <= 1


@given(sides, sides, inputs, inputs)
def test_a_stretched_image_fills_the_input(width, height, rows, columns):
    fit = Letterbox.fit((width, height), (rows, columns), "stretch")
    assert (fit.resized, fit.pad_x, fit.pad_y) == ((columns, rows), 0, 0)
    np.testing.assert_array_equal(fit.apply([[0, 0, width, height]]), [[0, 0, columns, rows]])


def test_letterbox_by_hand():
    image = np.full((100, 200, 3), 7, np.uint8)
    result, fit = fit_image(image, (64, 64))
    assert result.shape == (64, 64, 3)
    assert result.dtype == np.uint8
    assert fit_scale((200, 100), (64, 64), "letterbox") == (0.32, 0.32)
    assert (fit.resized, fit.pad_x, fit.pad_y) == ((64, 32), 0, 16)
    assert np.all(result[:16] == 128)
    assert np.all(result[16:48] == 7)
    assert np.all(result[48:] == 128)
    np.testing.assert_allclose(fit.apply(np.array([[50, 0, 200, 100]])), [[16, 16, 64, 48]])
    np.testing.assert_allclose(fit.invert(np.array([[-5, 0, 99, 47]])), [[0, 0, 200, 96.875]])


def test_stretch_by_hand():
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 50:] = 7
    result, fit = fit_image(image, (64, 96), "stretch")
    assert (result.shape, result.dtype) == ((64, 96, 3), np.uint8)
    assert fit_scale((200, 100), (64, 96), "stretch") == (0.48, 0.64)
    assert np.all(result[32:, 24:] == 7)
    assert not result[:32].any()
    assert not result[:, :24].any()
    np.testing.assert_allclose(fit.apply(np.array([[50, 50, 200, 100]])), [[24, 32, 96, 64]])
    np.testing.assert_allclose(fit.invert(np.array([[-5, 16, 48, 99]])), [[0, 25, 100, 100]])


def resampling(old, new):
    """The weights `[new, old]` of pixels: averages if they become fewer, else linear."""
    if new < old:
        ends = np.arange(new + 1) * old / new
        overlaps = np.minimum(ends[1:, None], np.arange(1, old + 1)) - np.maximum(
            ends[:-1, None], np.arange(old)
        )
        return np.clip(overlaps, 0, None) * new / old
    centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.clip(1 - np.abs(centers[:, None] - np.arange(old)), 0, None)


@pytest.mark.parametrize(
    "shape", [(90, 140), (20, 300), (200, 31), (20, 31), (64, 200), (64, 31), (90, 96), (33, 96)]
)
def test_an_axis_that_shrinks_is_averaged_and_one_that_grows_is_interpolated(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    result, _ = fit_image(image, (64, 96), "stretch")
    rows, columns = resampling(shape[0], 64), resampling(shape[1], 96)
    expected = np.einsum("yh,hwc,xw->yxc", rows, image, columns)
    # Two roundings to whole numbers, and OpenCV's linear weights, which have 11 bits.
    np.testing.assert_allclose(result, expected, atol=1.5)


def test_invert_clips_padding_to_the_source():
    fit = Letterbox.fit((200, 100), (64, 64))
    np.testing.assert_array_equal(fit.invert(np.array([[0, 0, 64, 64]])), [[0, 0, 200, 100]])


def test_letterbox_of_the_input_size_changes_nothing(picture):
    image = np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1)
    result, _ = fit_image(image, image.shape[:2])
    assert np.array_equal(result, image)


def test_a_drawn_box_is_where_apply_puts_it():
    image = np.zeros((480, 640, 3), np.uint8)
    image[120:360, 160:320] = 255
    result, fit = fit_image(image, (416, 416))
    x1, y1, x2, y2 = fit.apply(np.array([[160, 120, 320, 360]]))[0].astype(int)
    assert np.all(result[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] == 255)
    inside = result[52:364].astype(float).sum() / 255 / 3
    assert inside == pytest.approx((x2 - x1) * (y2 - y1), rel=0.02)


def test_no_boxes_stay_no_boxes():
    fit = Letterbox.fit((200, 100), (64, 64))
    assert fit.apply(np.zeros((0, 4))).shape == (0, 4)
    assert fit.invert(np.zeros((0, 4))).shape == (0, 4)
