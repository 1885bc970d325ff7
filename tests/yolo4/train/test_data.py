"""The images of a training: how they are read, fitted, cached and put into batches."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.annotation_files import write_image
from tests.yolo4.train.begun_run import begun
from utils.errors import UserError
from utils.training_data import image_cache as cache
from utils.training_data.image_cache import DiskCache, MemoryCache, read_record
from yolo4.train.data import training_set
from yolo4.train.setup import prepare, prepare_resume

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("name", "kind"), [("none", type(read_record)), ("ram", MemoryCache), ("disk", DiskCache)]
)
def test_the_cache_is_reported_and_used(config, capsys, tmp_path, name, kind):
    setup = prepare(config(cache=name))
    printed = capsys.readouterr().out
    assert ("--cache" in printed) == (name != "none")
    if name != "none":
        assert f"--cache {name}: 3 decoded images take 0.1 MiB of " in printed
    training = training_set(setup.config, setup.train)
    training.batch(0, 0, 3)
    assert isinstance(training._read, kind)
    assert (tmp_path / "cache").exists() == (name == "disk")
    assert len(list((tmp_path / "cache").glob("*"))) == (3 if name == "disk" else 0)


def test_images_are_fitted_as_the_settings_say(config, tmp_path):
    boxes = " ".join(f"0,0,{10 * k},{5 * k},0" for k in range(1, 10))
    for split in ("train", "val"):
        image = write_image(tmp_path / f"{split}.png", (200, 100))
        (tmp_path / f"{split}.txt").write_text(f"{image} {boxes}\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    data = (str(tmp_path / "train.txt"), str(tmp_path / "val.txt"))
    options = {"classes": str(tmp_path / "classes.txt"), "anchors": "auto", "input_size": 64}
    options |= {"mosaic": 0.0, "mixup": 0.0, "flip": 0.0, "scale": 0.0, "translate": 0.0}
    for resize, last in (("letterbox", (28.8, 14.4)), ("stretch", (28.8, 28.8))):
        setup = prepare(replace(config(resize=resize, **options), data=data))
        # Nine boxes are their own nine anchors.
        np.testing.assert_allclose(setup.anchors[8], last, rtol=1e-6)
        x1, y1, x2, y2 = training_set(setup.config, setup.train).sample(0, 0).boxes[8]
        np.testing.assert_allclose((x2 - x1, y2 - y1), last, atol=1)  # crops are whole pixels


def test_a_cache_that_cannot_fit_is_refused_before_anything_is_written(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(cache, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match=r"^--cache ram: 3 decoded images take .* at most"):
        prepare(config(cache="ram"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"batch_size": 2}, False),
        ({"batch_size": 3}, True),
        ({"batch_size": 2, "freeze_batch_size": 3, "freeze_epochs": 1}, True),
        ({"batch_size": 3, "multi_scale": None}, False),
    ],
)
def test_a_multi_scale_training_needs_two_batches_in_an_epoch(config, tmp_path, settings, refused):
    settings = {"input_size": 64, "multi_scale": (0.5, 1.5), **settings}
    if not refused:
        setup = prepare(config(**settings))
        assert training_set(setup.config, setup.train).sizes == setup.config.training_sizes
        return
    with pytest.raises(UserError, match=r"the 3 training images are one batch of 3$"):
        prepare(config(**settings))
    assert not (tmp_path / "run").exists()


def test_resuming_where_the_cache_does_not_fit_says_where_to_change_it(config, monkeypatch):
    setup = begun(config(cache="ram"))
    monkeypatch.setattr(cache, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match=r'Change "cache" in .*config\.json'):
        prepare_resume(setup.run)
