"""Images of every format become 8-bit RGB."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from utils.image import ImageError, exif_orientation, read_image

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


# With Gradio comes an older Pillow, which does not read the YCbCr that it writes.
YCBCR = pytest.param("YCbCr", marks=pytest.mark.skipif(PIL.__version__ < "13", reason="Pillow 12"))


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGBA", "P", "CMYK", YCBCR])
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
    with pytest.raises(ImageError, match=r"cut: .*(truncated|ends early)"):
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
    with pytest.raises(ImageError, match=r"a\.jpg: unreadable .*marker type 0x13"):
        read_image(tmp_path / "a.jpg")
    assert capfd.readouterr().err == ""


def test_jpeg_that_claims_a_giant_size(tmp_path, picture):
    data = bytearray(encoded(picture, "JPEG"))
    size = data.index(b"\xff\xc0") + 5
    data[size : size + 4] = b"\xff\xdc\xff\xdc"
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.jpg: has 65500x65500 pixels"):
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
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "text.jpg").write_text("this is no image")
    with pytest.raises(ImageError, match=r"text\.jpg: not an image"):
        read_image(tmp_path / "text.jpg")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ImageError, match=r"float\.tif: 32-bit float"):
        read_image(tmp_path / "float.tif")


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_can_be_read_reduced(tmp_path, picture, orientation):
    large = Image.fromarray(picture).resize((400, 240))
    exif = Image.Exif()
    exif[0x0112] = orientation
    large.save(tmp_path / "a.jpg", quality=95, exif=exif)
    whole, reduced = read_image(tmp_path / "a.jpg"), read_image(tmp_path / "a.jpg", 100)
    height, width = reduced.shape[:2]
    # JPEG is reduced in eighths: 4 of them are 120 pixels, 3 would be 90.
    assert (height, width) == ((120, 200) if orientation == 1 else (200, 120))
    assert near(reduced, cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


def test_images_are_never_enlarged(tmp_path, picture):
    for name in ("a.jpg", "a.png"):
        Image.fromarray(picture).save(tmp_path / name)
        assert read_image(tmp_path / name, 30).shape == picture.shape


def test_a_jpeg_that_ends_early_is_refused_reduced_too(tmp_path, picture):
    Image.fromarray(picture).resize((400, 240)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match="unreadable or truncated image"):
        read_image(tmp_path / "a.jpg", 100)
