"""Loading from start to end: formats, splits, leaks, the report, the errors."""

import sys

import pytest

from tests.helpers.annotation_files import (
    CAT,
    DOG,
    all_records,
    load,
    problem_counts,
    stems,
    voc_xml,
    write_image,
    write_text,
    write_voc,
)
from utils.annotations import Problem, load_dataset
from utils.errors import UserError
from utils.text import read_class_names

pytestmark = pytest.mark.quick


def test_a_single_path_may_be_a_string(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT], "b": [CAT]})
    assert len(all_records(load_dataset(str(root), progress=False))) == 2


def test_an_unknown_layout_is_answered_with_the_known_ones(tmp_path):
    for content in ("nothing", "images only"):
        if content == "images only":
            write_image(tmp_path / "a.jpg")
        with pytest.raises(UserError) as caught:
            load(tmp_path)
        for word in ("Annotations", "JPEGImages", "COCO", "LabelImg", "data.yaml", "x1,y1,x2,y2"):
            assert word in str(caught.value)
    with pytest.raises(UserError, match="gone: no such file or folder"):
        load(tmp_path / "gone")
    with pytest.raises(UserError, match="no data set was named"):
        load()


def test_seeded_split_is_80_10_10_and_does_not_depend_on_order_or_names(tmp_path):
    first = write_voc(tmp_path / "one", {f"i{n:03}": [CAT] for n in range(100)})
    second = tmp_path / "two"
    for n in range(100):
        image = (first / "JPEGImages" / f"i{n:03}.jpg").read_bytes()
        (second / "JPEGImages").mkdir(parents=True, exist_ok=True)
        (second / "JPEGImages" / f"x{99 - n:03}.jpg").write_bytes(image)
        write_text(second / "Annotations" / f"x{99 - n:03}.xml", voc_xml([CAT]))
    splits = stems(load(first))
    assert [len(splits[split]) for split in ("train", "val", "test")] == [80, 10, 10]
    assert len({stem for split in splits.values() for stem in split}) == 100
    assert stems(load(first)) == splits
    assert stems(load(first, seed=1)) != splits
    renamed = {
        split: {f"i{99 - int(s[1:]):03}" for s in names}
        for split, names in stems(load(second)).items()
    }
    assert renamed == {split: set(names) for split, names in splits.items()}


def test_more_files_hardly_change_the_seeded_split(tmp_path):
    root = write_voc(tmp_path, {f"i{n:03}": [CAT] for n in range(100)})
    before = stems(load(root))
    write_voc(root, {f"j{n}": [CAT] for n in range(10)})
    after = {stem: split for split, names in stems(load(root)).items() for stem in names}
    moved = [s for split, names in before.items() for s in names if after[s] != split]
    assert len(moved) <= 6


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (12, (10, 1, 1))]
)
def test_small_sets_fill_train_first_and_then_val(tmp_path, count, expected):
    data = load(write_voc(tmp_path, {f"i{n}": [CAT] for n in range(count)}))
    assert tuple(len(data.splits.get(s, [])) for s in ("train", "val", "test")) == expected


def test_val_is_taken_from_train_when_test_exists(tmp_path):
    names = [f"i{n}" for n in range(22)]
    root = write_voc(
        tmp_path, {name: [CAT] for name in names}, {"train": names[:20], "test": names[20:]}
    )
    data = load(root)
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [18, 2, 2]
    assert "no val split in the data; used a tenth of train with seed 0" in data.report.text


def test_images_without_a_split_join_train(tmp_path):
    one = write_voc(tmp_path / "one", {"a": [CAT], "b": [CAT]}, {"train": ["a"], "val": ["b"]})
    two = write_voc(tmp_path / "two", {"c": [DOG]})
    data = load(one, two)
    assert stems(data) == {"train": ["a", "c"], "val": ["b"]}
    assert "images without a split, added to train: 1" in data.report.text


def test_an_image_in_two_splits_is_kept_in_the_one_that_measures(tmp_path):
    images = {name: [CAT] for name in "abcd"}
    lists = {"train": ["a", "b"], "val": ["b", "c"], "test": ["c", "d"]}
    data = load(write_voc(tmp_path, images, lists))
    assert stems(data) == {"train": ["a"], "val": ["b"], "test": ["c", "d"]}
    assert problem_counts(data) == {Problem.LEAK: 2}
    assert "b.jpg: in train, and in val as" in data.report.text


def test_copies_under_other_names_are_found(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT], "b": [CAT]}, {"train": ["a", "copy"], "val": ["b"]})
    (root / "JPEGImages" / "copy.jpg").write_bytes((root / "JPEGImages" / "b.jpg").read_bytes())
    write_text(root / "Annotations" / "copy.xml", voc_xml([CAT]))
    data = load(root)
    assert stems(data) == {"train": ["a"], "val": ["b"]}
    assert problem_counts(data) == {Problem.LEAK: 1}
    with pytest.raises(UserError, match=r"same image in two splits: .*copy\.jpg"):
        load(root, on_bad_data="error")


def test_copies_stay_together_in_a_seeded_split(tmp_path):
    root = write_voc(tmp_path, {f"i{n}": [CAT] for n in range(20)})
    for n in range(20):
        data = (root / "JPEGImages" / f"i{n}.jpg").read_bytes()
        (root / "JPEGImages" / f"copy{n}.jpg").write_bytes(data)
        write_text(root / "Annotations" / f"copy{n}.xml", voc_xml([CAT]))
    data = load(root, on_bad_data="error")
    assert len(all_records(data)) == 40
    for names in stems(data).values():
        assert {name.replace("copy", "i") for name in names} == {n for n in names if n[0] == "i"}


def test_val_that_is_train_is_replaced(tmp_path):
    names = [f"i{n}" for n in range(10)]
    root = write_voc(tmp_path, {name: [CAT] for name in names}, {"train": names, "val": names})
    data = load(root)
    assert [len(data.splits[split]) for split in ("train", "val")] == [9, 1]
    assert "val has the same images as train" in data.report.text


def test_val_and_test_that_are_train_are_not_used(tmp_path):
    names = [f"i{n}" for n in range(10)]
    lists = {"train": names, "val": names, "test": names}
    data = load(write_voc(tmp_path, {name: [CAT] for name in names}, lists))
    assert [len(data.splits[split]) for split in ("train", "val")] == [9, 1]
    assert "test" not in data.splits


def test_val_that_test_contains_is_replaced(tmp_path):
    names = [f"i{n}" for n in range(10)]
    lists = {"train": names[:6], "val": names[6:8], "test": names[6:]}
    data = load(write_voc(tmp_path, {name: [CAT] for name in names}, lists))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [5, 1, 4]
    assert problem_counts(data) == {Problem.LEAK: 2}


def test_other_json_and_yaml_files_are_ignored(tmp_path):
    write_image(tmp_path / "images" / "a.jpg")
    write_text(tmp_path / "labels" / "a.txt", "0 .5 .5 .5 .5")
    write_text(tmp_path / ".vscode" / "train.json", "// a comment")
    write_text(tmp_path / "settings.json", "// a comment")
    write_text(tmp_path / "hooks.yaml", "{{ template }}: [")
    assert list(all_records(load(tmp_path))) == ["a"]


def test_val_that_is_test_may_stay(tmp_path):
    root = write_voc(
        tmp_path, {"a": [CAT], "b": [CAT]}, {"train": ["a"], "val": ["b"], "test": ["b"]}
    )
    data = load(root, on_bad_data="error")
    assert stems(data) == {"train": ["a"], "val": ["b"], "test": ["b"]}
    assert "test has the same images as val" in data.report.text


def test_objects_of_an_image_listed_twice_are_merged_and_reported(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT], "b": [CAT]}, {"train": ["a", "a"], "val": ["b"]})
    data = load(root)
    assert stems(data)["train"] == ["a"]
    assert len(data.splits["train"][0].labels) == 1
    assert problem_counts(data) == {Problem.LISTED_TWICE: 1}
    assert len(all_records(load(root, root))) == 2


def test_formats_are_merged(tmp_path):
    voc = write_voc(tmp_path / "voc", {"a": [DOG], "b": [CAT]}, {"train": ["a"], "val": ["b"]})
    yolo = tmp_path / "yolo"
    write_image(yolo / "images" / "train" / "c.jpg")
    write_text(yolo / "labels" / "train" / "c.txt", "0 .5 .5 .5 .5")
    with pytest.raises(UserError, match="numbers them"):
        load(voc, yolo)
    assert load(voc, yolo, class_names=["dog", "cat"]).splits["train"][1].labels.tolist() == [0]
    write_text(yolo / "classes.txt", "zebra\n")
    data = load(voc, yolo)
    assert data.class_names == ("zebra", "cat", "dog")
    assert "Pascal VOC" in data.format
    assert "YOLO txt" in data.format


def test_report_is_printed_once_with_the_bar(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    root = write_voc(
        tmp_path, {"a": [CAT, DOG], "b": [DOG], "c": []}, {"train": ["a"], "val": "bc"}
    )
    data = load_dataset([root])
    captured = capsys.readouterr()
    assert captured.out == data.report.text + "\n"
    assert "checking images" in captured.err
    load(root)
    assert capsys.readouterr() == ("", "")


def test_report_counts(tmp_path):
    puppy = ("dog", 1, 2, 3, 4)
    root = write_voc(
        tmp_path, {"a": [CAT, DOG, puppy], "b": [DOG], "c": []}, {"train": ["a"], "val": ["b", "c"]}
    )
    write_image(root / "JPEGImages" / "c.jpg", (90, 30))
    write_text(root / "Annotations" / "c.xml", voc_xml([], size=None))
    report = load(root).report
    lines = [line.split() for line in report.text.splitlines()]
    assert ["images", "1", "2"] in lines
    assert ["images", "without", "objects", "0", "1"] in lines
    assert ["boxes", "of", "cat", "1", "0"] in lines
    assert ["boxes", "of", "dog", "2", "1"] in lines
    assert "60 to 90 wide, 30 to 40 high" in report.text
    assert "no problems found" in report.text
    assert {split: n.tolist() for split, n in report.box_counts.items()} == {
        "train": [1, 2],
        "val": [0, 1],
    }


def test_report_shows_the_first_few_of_each_problem(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT, *[("cat", 5, 5, 5, n) for n in range(6, 16)]], "b": []})
    text = load(root).report.text
    assert "zero-area box, object skipped: 10" in text
    assert text.count("a.xml, object") == 3
    assert "and 7 more" in text


def test_nothing_usable_is_an_error(tmp_path):
    root = write_voc(tmp_path, {"a": [], "b": []})
    with pytest.raises(UserError, match="no usable object"):
        load(root)
    for path in (root / "JPEGImages").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no usable image .*2 problems.*a\.jpg: the file is empty"):
        load(root)


def test_evaluation_data_needs_no_train_split(tmp_path):
    assert stems(load(write_voc(tmp_path, {"a": [CAT]}, {"test": ["a"]}))) == {"test": ["a"]}


def test_read_class_names(tmp_path):
    path = write_text(tmp_path / "c.txt", "\ufeffcat\n traffic light \n猫\n\n \n")
    assert read_class_names(path) == ("cat", "traffic light", "猫")
    with pytest.raises(UserError, match="'cat' occurs twice"):
        read_class_names(write_text(path, "cat\ndog\ncat\n"))
    with pytest.raises(UserError, match=r"c\.txt: no class names; expected one per line"):
        read_class_names(write_text(path, "\n"))
    with pytest.raises(UserError, match=r"c\.txt, line 2: the name of class 1 is empty"):
        read_class_names(write_text(path, "cat\n\ndog\n"))
    with pytest.raises(UserError, match=r"gone\.txt"):
        read_class_names(tmp_path / "gone.txt")
