"""Darknet's `.cfg`: its text, and which network it describes."""

import numpy as np
import pytest

from nets.networks import YOLOV4
from tests.helpers import darknet_reference as reference
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.errors import UserError
from yolo4.weights.darknet.cfg import read_cfg
from yolo4.weights.darknet.files import format_cfg, parse_cfg, read_cfg_sections
from yolo4.weights.darknet.graph import sections

TEXT = """\
# a comment
[net]
width = 6 08
height=320 # of training
; another comment
[conv]
filters=64
filters=32

[max]
layers = -1, -7,
scale=.5
"""


@pytest.fixture
def cfg(tmp_path):
    path = tmp_path / "yolov4.cfg"
    path.write_text(reference.cfg(608))
    return path


def change(path, section, old, new):
    """Edit a section, counted from 0 and without [net]; gives the line it begins on."""
    parts = path.read_text().split("[")
    assert old in parts[section + 2], parts[section + 2]
    parts[section + 2] = parts[section + 2].replace(old, new)
    path.write_text("[".join(parts))
    return "[".join(parts[: section + 2]).count("\n") + 1


class TestText:
    def test_sections_options_and_lines_as_darknet_reads_them(self, tmp_path):
        path = tmp_path / "x.cfg"
        path.write_bytes(TEXT.replace("\n", "\r\n").encode() + b"# caf\xe9\r\n")
        net, convolution, pool = read_cfg_sections(path)
        assert [(s.name, s.line) for s in (net, convolution, pool)] == [
            ("net", 2), ("convolutional", 6), ("maxpool", 10)
        ]  # fmt: skip
        assert (net.whole("width", 0), net.whole("height", 0)) == (608, 320)
        assert net.whole("channels", 3) == 3
        assert convolution.whole("filters", 1) == 64
        assert pool.wholes("layers") == (-1, -7)
        assert pool.numbers("scale") == (0.5,)
        assert pool.numbers("anchors") == ()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("width=3\n[net]\n", r"line 1: found 'width=3', expected a section, such as \[net\]"),
            ("[net]\n\nwidth 3\n", "line 3: found 'width 3', expected name=value"),
            ("[net]\n[net\n", r"line 2: found '\[net', expected name=value"),
        ],
    )
    def test_any_other_line_is_reported(self, tmp_path, text, message):
        with pytest.raises(UserError, match=rf"x\.cfg, {message}"):
            parse_cfg(text, tmp_path / "x.cfg")

    def test_an_option_that_is_not_a_number_is_reported(self, tmp_path):
        path = tmp_path / "x.cfg"
        [section] = parse_cfg("\n[net]\nwidth=wide\nheight=1.5\nscales=1,x\n", path)
        for read, found, expected in (
            (lambda: section.whole("width", 0), "width=wide", "a whole number"),
            (lambda: section.wholes("height"), r"height=1\.5", "a whole number"),
            (lambda: section.numbers("scales"), "scales=x", "a number"),
        ):
            with pytest.raises(
                UserError, match=rf"x\.cfg, line 2: \[net\] has {found}; expected {expected}"
            ):
                read()

    def test_a_missing_file_is_reported(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.cfg: no such file"):
            read_cfg_sections(tmp_path / "none.cfg")

    def test_what_is_written_is_read_again_and_numbers_are_short(self, tmp_path):
        values = (np.float32(0.1), 1.05, 13.0, np.float32(1 / 3), 1e-7)
        text = format_cfg(
            [("net", {"width": 416, "policy": "steps"}), ("yolo", {"anchors": values})]
        )
        assert text.startswith(
            "[net]\nwidth=416\npolicy=steps\n\n[yolo]\nanchors=0.1,1.05,13,0.33333334"
        )
        net, yolo = parse_cfg(text, tmp_path)
        assert net.options == {"width": "416", "policy": "steps"}
        again = yolo.numbers("anchors")
        assert [type(value)(number) for value, number in zip(values, again, strict=True)] == [
            *values
        ]


class TestNetwork:
    def test_yolov4_cfg(self, cfg):
        network = read_cfg(cfg)
        assert network.class_count == 80
        np.testing.assert_array_equal(network.anchors, COCO_ANCHORS)
        assert network.input_size == (608, 608)
        assert network.scale_x_y == (1.2, 1.1, 1.05)
        assert (network.width, network.depth) == (1, 1)

    @pytest.mark.parametrize("width", [0.05, 0.125, 0.25, 0.33, 0.7, 1.0, 1.25, 4.0])
    @pytest.mark.parametrize("depth", [0.05, 0.33, 0.67, 1.0, 1.33, 4.0])
    def test_any_size_is_found_again(self, tmp_path, width, depth):
        anchors = np.random.default_rng(0).uniform(1, 400, (9, 2)).astype(np.float32)
        graph = sections(YOLOV4, 3, anchors, (1.0, 1.5, 2.0), (320, 416), width, depth)
        path = tmp_path / "x.cfg"
        path.write_text(format_cfg(graph))
        network = read_cfg(path)
        assert network.class_count == 3
        np.testing.assert_array_equal(np.float32(network.anchors), anchors)
        assert network.input_size == (320, 416)
        assert network.scale_x_y == (1.0, 1.5, 2.0)
        # Other numbers may stand for the same network.
        again = sections(
            YOLOV4, 3, anchors, (1.0, 1.5, 2.0), (320, 416), network.width, network.depth
        )
        assert again == graph

    @pytest.mark.parametrize("size", [0.25, 0.5, 1.5])
    def test_the_size_is_the_shortest_number(self, tmp_path, size):
        path = tmp_path / "x.cfg"
        graph = sections(YOLOV4, 3, COCO_ANCHORS, (1, 1, 1), (32, 32), size, size)
        path.write_text(format_cfg(graph))
        assert str(read_cfg(path).width) in {str(size), f"{size:.1f}"}

    @pytest.mark.parametrize(
        ("line", "resize"),
        [("", "stretch"), ("letter_box=0\n", "stretch"), ("letter_box=1\n", "letterbox")],
    )
    def test_images_are_stretched_unless_it_says_otherwise(self, cfg, line, resize):
        cfg.write_text(cfg.read_text().replace("[net]\n", f"[net]\n{line}", 1))
        assert read_cfg(cfg).resize == resize

    def test_scales_are_1_where_left_out(self, cfg):
        cfg.write_text(cfg.read_text().replace("scale_x_y", "other"))
        assert read_cfg(cfg).scale_x_y == (1, 1, 1)

    def test_options_written_otherwise_mean_the_same(self, cfg):
        change(cfg, 104, "size=1\npad=1", "size=1\npadding=0")
        change(cfg, 3, "layers=-2", "layers = 1, ")
        change(cfg, 7, "from=-3", "from=4")
        change(cfg, 108, "size=5", "size=5\npadding=4")
        assert read_cfg(cfg).class_count == 80

    @pytest.mark.parametrize(
        ("section", "old", "new", "message"),
        [
            (0, "mish", "leaky", "[convolutional] has activation leaky, where YOLOv4 has mish"),
            (1, "stride=2", "stride=1", "[convolutional] has stride 1, where YOLOv4 has 2"),
            (2, "filters=64", "filters=63", "[convolutional] has filters 63, where YOLOv4 has 64"),
            (3, "-2", "-1", "[route] has layers 2, where YOLOv4 has 1"),
            (4, "pad=1", "pad=1\ngroups=2", "[convolutional] has groups 2, where YOLOv4 has 1"),
            (5, "size=1", "size=3", "[convolutional] has size 3, where YOLOv4 has 1"),
            (6, "pad=1", "pad=0", "[convolutional] has padding 0, where YOLOv4 has 1"),
            (7, "-3", "-2", "[shortcut] has from 5, where YOLOv4 has 4"),
            (8, "convolutional", "dropout", "is [dropout], where YOLOv4 has [convolutional]"),
            (104, "batch_normalize=1", "", "[convolutional] has batch_normalize 0, where"),
            (108, "size=5", "size=3", "[maxpool] has size 3, where YOLOv4 has 5"),
            (118, "stride=2", "stride=4", "[upsample] has stride 4, where YOLOv4 has 2"),
            (138, "255", "24", "[convolutional] has filters 24, where YOLOv4 has 255"),
            (139, "mask=0,1,2", "mask=6,7,8", "[yolo] has mask 6,7,8, where YOLOv4 has 0,1,2"),
            (139, ", 459,401", "", "[yolo] has number of anchors 8, where YOLOv4 has 9"),
            (139, ", 459,401", ", 459,401,1", "[yolo] has number of anchors 9.5, where YOLOv4 has"),
            (139, "num=9", "new_coords=1", "[yolo] has new_coords 1, where YOLOv4 has 0"),
            (150, "classes=80", "classes=3", "[yolo] has classes 3, where YOLOv4 has 80"),
            (161, "12,16", "12,17", "[yolo] has anchors 12,17,19,"),
        ],
    )
    def test_a_difference_is_reported_by_section_and_line(self, cfg, section, old, new, message):
        line = change(cfg, section, old, new)
        with pytest.raises(UserError) as caught:
            read_cfg(cfg)
        assert str(caught.value).startswith(f"{cfg}, line {line}: section {section} {message}")
        assert "\n" not in str(caught.value)

    def test_a_difference_in_a_network_of_another_size_is_reported_there(self, tmp_path):
        graph = sections(YOLOV4, 3, COCO_ANCHORS, (1, 1, 1), (32, 32), 0.25, 0.33)
        path = tmp_path / "x.cfg"
        path.write_text(format_cfg(graph))
        change(path, 22, "filters=32", "filters=40")
        message = r"section 22 \[convolutional\] has filters 40, where YOLOv4 has 32"
        with pytest.raises(UserError, match=message):
            read_cfg(path)

    def test_another_number_of_sections_is_reported(self, cfg):
        cfg.write_text(cfg.read_text() + "[route]\nlayers=-1\n")
        with pytest.raises(UserError, match=r"163 sections after \[net\], where YOLOv4 has 162"):
            read_cfg(cfg)
        cfg.write_text(reference.cfg(608).rpartition("[convolutional]")[0])
        with pytest.raises(UserError, match=r"160 sections after \[net\], where YOLOv4 has 162"):
            read_cfg(cfg)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("width=608", "width=600", r"line 1: \[net\] has width=600; it must be a multiple of"),
            ("height=608", "", r"\[net\] has height=0; it must be a multiple of 32"),
            ("channels=3", "channels=1", r"\[net\] has channels=1; YOLOv4 has 3"),
            ("[net]", "[conv]", r"its first section is not \[net\]"),
            ("anchors=12,16", "anchors=0,16", r"\[yolo\] has anchors=0,16,19.* above 0"),
            ("anchors=12,16", "anchors=nan,16", r"\[yolo\] has anchors=nan,16.* above 0"),
            ("scale_x_y=1.2", "scale_x_y=1.2,1", r"has scale_x_y=1.2,1; expected one number"),
            ("scale_x_y=1.2", "scale_x_y=0.9", r"has scale_x_y=0.9; expected one number, 1 or"),
        ],
    )
    def test_another_input_is_reported(self, cfg, old, new, message):
        cfg.write_text(cfg.read_text().replace(old, new, 1))
        with pytest.raises(UserError, match=message):
            read_cfg(cfg)

    @pytest.mark.parametrize("text", ["", "# nothing\n", "[net]\nwidth=32\nheight=32\n"])
    def test_a_file_without_a_network_is_reported(self, cfg, text):
        cfg.write_text(text)
        with pytest.raises(UserError, match=r"not a Darknet network|0 sections after \[net\]"):
            read_cfg(cfg)
