"""Resuming needs the data, the classes and the anchors that the run began with."""

import re
import shutil
from dataclasses import replace

import pytest

from tests.helpers.annotation_files import write_image
from tests.yolo4.train.begun_run import begun
from utils.errors import UserError
from yolo4.sample_data.make import make_sample_data
from yolo4.train.setup import prepare_resume
from yolo4.train.state.same_data import require_same_data

pytestmark = pytest.mark.quick


def move_a_box(folder):
    file = folder / "Annotations" / "train_00001.xml"
    file.write_text(re.sub(r"<xmin>\d+<", "<xmin>0<", file.read_text(), count=1))


def replace_an_image(folder):
    write_image(folder / "JPEGImages" / "train_00002.jpg", (96, 96))


def train_on_validation(folder):
    lists = folder / "ImageSets" / "Main"
    (lists / "train.txt").write_text((lists / "train.txt").read_text() + "val_00001\n")
    (lists / "val.txt").write_text("val_00000\n")


def swap_classes(folder):
    for file in (folder / "Annotations").glob("val_*.xml"):
        swapped = file.read_text().replace("apple", "?").replace("leaf", "apple")
        file.write_text(swapped.replace("?", "leaf"))


class TestResumingWithOtherData:
    @pytest.fixture
    def copied(self, tmp_path, config):
        """A data set that a test may change, and a run that began with it."""
        folder = make_sample_data(tmp_path / "copied", 3, 2, 2, size=96)
        return folder, begun(replace(config(), data=(str(folder),)))

    def test_the_same_data_is_accepted_without_a_word(self, copied, capsys):
        _, setup = copied
        capsys.readouterr()
        require_same_data(prepare_resume(setup.run), 3)
        assert "when the run began" not in capsys.readouterr().out

    def test_a_data_set_may_move(self, copied, tmp_path):
        folder, setup = copied
        shutil.move(folder, tmp_path / "moved")
        config = replace(setup.config, data=(str(tmp_path / "moved"),))
        setup.run.config_file.write_text(config.to_json())
        require_same_data(prepare_resume(setup.run), 3)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (move_a_box, "train: image train_00001.jpg with other boxes$"),
            (replace_an_image, "train: image train_00002.jpg replaced$"),
            (train_on_validation, "val: image val_00001.jpg now in train$"),
            (swap_classes, "val: .* with other boxes"),
        ],
    )
    def test_what_changed_is_named(self, copied, change, message):
        folder, setup = copied
        change(folder)
        self.refused(setup, message)

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("classes_file", "classes.txt: class 0 is 'leaf', but 'apple' when the run began$"),
            ("anchors_file", "anchors.txt: 459,401 .*, but 12,16 .* when the run began$"),
        ],
    )
    def test_a_file_of_the_run_that_was_reordered_is_named(self, copied, file, message):
        _, setup = copied
        path = getattr(setup.run, file)
        words = path.read_text().split()
        path.write_text("\n".join(words[::-1]))
        self.refused(setup, message)

    def refused(self, setup, message):
        with pytest.raises(UserError, match=rf"this has changed: {message}") as caught:
            require_same_data(prepare_resume(setup.run), 3)
        assert str(caught.value).startswith(f"{setup.run.folder}: resuming needs what the run ")
        assert "\n" not in str(caught.value)

    def test_of_a_run_of_an_older_version_the_images_are_counted(self, copied, capsys):
        _, setup = copied
        setup.run.data_file.unlink()
        resumed = prepare_resume(setup.run)
        capsys.readouterr()
        require_same_data(resumed, 3)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"no {setup.run.data_file}, as in runs of older versions: only the ")
        with pytest.raises(UserError, match=r"changed: train: 3 images, but 4 when it began$"):
            require_same_data(resumed, 4)
