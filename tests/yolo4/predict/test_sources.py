from pathlib import Path

import pytest

from utils.errors import UserError
from yolo4.predict.sources import SourceKind, find_sources

pytestmark = pytest.mark.quick


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/b.jpg",
        "in/a.PNG",
        "in/sub/deep/a.PNG",
        "in/clip.mp4",
        "in/notes.txt",
        "in/.hidden.jpg",
        "in/.cache/x.jpg",
        "other/b.jpg",
        "[1] odd*.jpg",
        "empty/notes.txt",
        "raw/picture.dat",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


def found(*arguments, output="out"):
    return [(s.name, s.kind.value, str(s.path)) for s in find_sources(arguments, Path(output))]


def test_a_folder_is_searched_to_any_depth_and_mirrored(files):
    assert found("in") == [
        ("in/a.PNG", "image", "a.PNG"),
        ("in/b.jpg", "image", "b.jpg"),
        ("in/clip.mp4", "video", "clip.mp4"),
        ("in/sub/deep/a.PNG", "image", "sub/deep/a.PNG"),
    ]


def test_files_keep_their_names_and_their_order(files):
    assert found("other/b.jpg", "in/clip.mp4") == [
        ("other/b.jpg", "image", "b.jpg"),
        ("in/clip.mp4", "video", "clip.mp4"),
    ]


def test_no_two_sources_share_a_path(files):
    assert [path for *_, path in found("in/b.jpg", "other/b.jpg", "other", "in")] == [
        "b.jpg",
        "b-2.jpg",
        "a.PNG",
        "clip.mp4",
        "sub/deep/a.PNG",
    ]


def test_nor_do_heat_maps_and_crops(files):
    for name in ("x.jpg", "x.png", "x_heatmap.jpg", "x_crops.jpg"):
        Path("in", name).write_text("")
    sources = find_sources(["in"], Path("out"))
    paths = [p for s in sources for p in (s.path, s.heat_path, s.crop_folder)]
    assert len(set(paths)) == len(paths)
    by_path = {str(source.path): source for source in sources}
    assert str(by_path["x_heatmap.jpg"].heat_path) == "x_heatmap_heatmap.jpg"
    assert str(by_path["x.jpg"].heat_path) == "x_heatmap-2.jpg"


def test_patterns(files):
    assert found("in/*.*") == [
        ("in/a.PNG", "image", "a.PNG"),
        ("in/b.jpg", "image", "b.jpg"),
        ("in/clip.mp4", "video", "clip.mp4"),
    ]
    assert found("*/b.jpg") == [
        ("in/b.jpg", "image", "in/b.jpg"),
        ("other/b.jpg", "image", "other/b.jpg"),
    ]
    assert found("in/**/a.*") == [
        ("in/a.PNG", "image", "a.PNG"),
        ("in/sub/deep/a.PNG", "image", "sub/deep/a.PNG"),
    ]
    assert found(f"{files}/i?/s*") == [(f"{files}/in/sub/deep/a.PNG", "image", "in/sub/deep/a.PNG")]


def test_a_file_whose_name_looks_like_a_pattern(files):
    assert found("[1] odd*.jpg") == [("[1] odd*.jpg", "image", "[1] odd*.jpg")]


def test_webcams_and_streams(files):
    sources = find_sources(["0", "rtsp://me:secret@camera.local:554/door?x=1"], Path("out"))
    assert [source.kind for source in sources] == [SourceKind.LIVE, SourceKind.LIVE]
    assert [str(s.path) for s in sources] == ["webcam_0.mp4", "camera_local_554_door_x_1.mp4"]
    Path("7").write_text("")
    assert found("7")[0][1] == "image"


def test_a_suffix_that_cannot_be_written_gets_one_that_can(files):
    assert found("raw/picture.dat") == [("raw/picture.dat", "image", "picture.dat.png")]


def test_files_in_the_output_folder_are_no_sources(files):
    Path("in/out").mkdir()
    Path("in/out/b.jpg").write_text("")
    assert ("in/out/b.jpg", "image", "out/b.jpg") in found("in")
    assert len(found("in", output="in/out")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg"], "none.jpg: no such file"),
        (["in", "no/folder"], "no/folder: no such file"),
        (["empty"], "empty: no image or video"),
        (["in/*.tiff"], "matches no image"),
        (["in/**.jpg"], 'in/**.jpg: "**" stands for folders at any depth'),
        (["i*/**b/b.jpg"], 'i*/**b/b.jpg: "**" stands for folders at any depth'),
    ],
)
def test_a_missing_source_is_reported_in_one_line(files, arguments, message):
    with pytest.raises(UserError, match=message.replace("*", r"\*")) as error:
        find_sources(arguments, Path("out"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", [["in"], ["in/b.jpg"], ["in/b.jpg", "other/b.jpg"]])
def test_sources_are_never_overwritten(files, arguments):
    with pytest.raises(UserError, match="would overwrite"):
        find_sources(arguments, Path("in"))
