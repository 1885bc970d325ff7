"""Boxes and captions: at the right position, in the right color, readable at any size."""

import itertools
import shutil
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from utils import draw
from utils.draw import class_color, draw_boxes, text_color

pytestmark = pytest.mark.quick


def gray(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def contrast(a, b):
    """Contrast ratio of two RGB colors as the web's accessibility guidelines define it."""

    def luminance(color):
        c = np.array(color) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_the_outline_is_on_the_box_and_the_image_is_not_changed():
    image = gray(300, 400)
    drawn = draw_boxes(image, np.array([[100, 80, 200, 180]]), np.array([0]), ["a"])
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (image == 128).all()
    color = class_color(0)
    for y, x in ((179, 100), (179, 199), (130, 100), (130, 199), (80, 199)):
        assert tuple(drawn[y, x]) == color
    assert (drawn[100:170, 110:190] == 128).all()
    assert (drawn[182:] == 128).all()
    assert (drawn[:, 202:] == 128).all()
    drawn[0, 0] = 0  # the result can be drawn on


@pytest.mark.parametrize("side", [300, 1400, 2800])
def test_the_outline_is_the_one_that_pillow_draws_inside_a_box(side):
    x1, y1, x2, y2 = box = (np.array([0.2, 0.4, 0.7, 0.9]) * side).astype(int)
    wanted = Image.fromarray(gray(side, side))
    line_width = round(2 * side / 560)
    ImageDraw.Draw(wanted).rectangle(
        (x1, y1, x2 - 1, y2 - 1), outline=class_color(1), width=line_width
    )
    drawn = draw_boxes(gray(side, side), box[None], np.array([1]), ["above", "above"])
    np.testing.assert_array_equal(drawn[y1:], np.array(wanted)[y1:])


@pytest.mark.parametrize("sides", [(0, 0), (1, 1), (1, 90), (90, 2)])
def test_a_box_that_is_thinner_than_its_outline_is_filled(sides):
    width, height = sides
    box = np.array([[900, 800, 900 + width, 800 + height]])
    drawn = draw_boxes(gray(1600, 1600), box, np.array([0]), ["a"])
    changed = np.argwhere((drawn != 128).any(-1) & (np.arange(1600) >= 800)[:, None])
    assert changed.min(0).tolist() == [800, 900]
    assert (changed.max(0) - changed.min(0) + 1).tolist() == [max(1, height), max(1, width)]


@pytest.mark.parametrize("size", [(24, 30), (60, 80), (480, 640), (2000, 1500)])
@pytest.mark.parametrize("name", ["x", "a name far too long for any of these images " * 6])
def test_captions_stay_inside_the_image(size, name):
    """A caption that is cut off would lose its left or right margin of plain color."""
    height, width = size
    corners = np.array([[0, 0], [0.9, 0], [0, 0.9], [0.9, 0.9], [0.4, 0.4]]) * (width, height)
    for x, y in corners:
        box = np.array([[x, y, x + 0.1 * width, y + 0.1 * height]])
        drawn = draw_boxes(gray(height, width), box, np.array([3]), [name] * 4, np.array([0.5]))
        color = np.array(class_color(3))
        text = (drawn < 60).all(-1) | (drawn > 235).all(-1)
        ys, xs = np.nonzero(text)
        assert len(xs) > 3, "no text was drawn"
        row = drawn[ys.min() : ys.max() + 1]
        background = np.nonzero((row == color).all(-1).any(0))[0]
        assert background.min() < xs.min()
        assert background.max() > xs.max()


def test_text_and_lines_grow_with_the_image():
    def text_height(side):
        box = np.array([[0.3, 0.3, 0.7, 0.7]]) * side
        drawn = draw_boxes(gray(side, side), box, np.array([0]), ["H"])
        return np.nonzero((drawn > 190).all(-1).any(1))[0].size

    assert text_height(100) >= 6
    assert text_height(2400) > 4 * text_height(400)


def test_scores_are_drawn_and_the_best_is_on_top():
    boxes = np.array([[50, 50, 150, 150], [50, 50, 150, 150]])
    args = (gray(300, 300), boxes, np.array([0, 1]), ["a", "b"])
    one, other = draw_boxes(*args, np.array([0.9, 0.1])), draw_boxes(*args, np.array([0.1, 0.9]))
    assert tuple(one[120, 50]) == class_color(0)
    assert tuple(other[120, 50]) == class_color(1)
    assert (draw_boxes(*args) != one).any()


@pytest.mark.parametrize("best", [0, 1])
def test_of_captions_that_must_overlap_the_best_is_on_top(best):
    scores = np.array([0.3, 0.3])
    scores[best] = 0.9
    boxes = np.array([[0, 0, 40, 12]] * 2)  # not higher than a caption
    drawn = draw_boxes(gray(12, 40), boxes, np.array([0, 1]), ["a", "b"], scores)
    visible = [(drawn == class_color(label)).all(-1).sum() for label in (0, 1)]
    assert np.argmax(visible) == best


def test_captions_of_neighbors_do_not_overlap():
    """Two equal boxes: the background of both captions is visible."""
    boxes = np.array([[50, 60, 250, 260]] * 2)
    drawn = draw_boxes(gray(300, 300), boxes, np.array([0, 1]), ["aa", "bb"], np.array([0.9, 0.8]))
    backgrounds = [(drawn[:, 60:80] == class_color(label)).all(-1).sum() for label in (0, 1)]
    assert min(backgrounds) > 100


def test_boxes_outside_and_no_boxes():
    image = gray(50, 60)
    assert (draw_boxes(image, np.zeros((0, 4)), np.zeros(0, int), ["a"]) == image).all()
    far = np.array([[-500, -500, 900, 900], [70, 70, 90, 90], [10, 10, 10, 10]], np.float32)
    assert draw_boxes(image, far, np.zeros(3, int), ["a"]).shape == image.shape


def test_colors_differ_between_classes_and_from_their_text():
    colors = [class_color(label) for label in range(80)]
    assert colors == [class_color(label) for label in range(80)]
    first = np.array(colors[:12], float)
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(first, 2)) > 60
    assert len(set(colors)) == 80
    for color in colors:
        assert contrast(color, text_color(color)) > 2.9


@pytest.mark.parametrize("name", ["käfer", "кошка", "γάτα", "قطة", "Đường", "½ → ✓"])
def test_names_of_many_scripts_are_drawn(name):
    """Each name is drawn with its letters, not with a box for every missing letter."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        args = (gray(100, 300), np.array([[50, 40, 150, 90]]), np.array([0]))
        drawn = draw_boxes(*args, [name])
    assert (drawn != draw_boxes(*args, [name[::-1] + "x"])).any()


class TestFonts:
    def test_a_users_font_in_model_data_comes_first(self, tmp_path, monkeypatch):
        source = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSerif.ttf"
        shutil.copy(source, tmp_path / "mine.TTF")
        (tmp_path / "broken.ttf").write_bytes(b"not a font")
        monkeypatch.setattr(draw, "FONT_FOLDER", tmp_path)
        assert draw.font_file("abc") == tmp_path / "mine.TTF"
        assert ImageFont.truetype(draw.font_file("abc"), 20).getname()[0] == "DejaVu Serif"

    def test_the_bundled_font_is_the_default(self):
        assert draw.font_file("").name == "DejaVuSans.ttf"
        assert draw.font_file("a b\n").name == "DejaVuSans.ttf"

    def test_missing_letters_are_named_once(self, monkeypatch, tmp_path):
        monkeypatch.setattr(draw, "FONT_FOLDER", tmp_path)
        monkeypatch.setattr(draw.font_manager, "findSystemFonts", list)
        with pytest.warns(UserWarning, match="no font has '細胞'"):
            draw.font_file("細a胞")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            assert draw.font_file("細a胞").name == "DejaVuSans.ttf"
