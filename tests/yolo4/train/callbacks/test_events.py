"""Validation images and precision-recall curves, as TensorBoard's own readers see them."""

from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from tests.helpers.made_evaluation import made_evaluation
from tests.yolo4.train.page.made_moment import (
    CAT,
    DOG,
    FALSE_CAT,
    RIGHT_CAT,
    RIGHT_DOG,
    made_moment,
)
from utils.metrics.calibration import ScoreChoice
from yolo4.train.callbacks.events import FOLDER, DetectionEvents
from yolo4.train.validation import Measurement

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes the events"
)


def write(moment, epochs):
    """Write the events of these epochs; return a reader of them."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext

    run = moment.setup.run
    run.folder.mkdir(exist_ok=True)
    ScoreChoice(0.5, 1.0).save(run.score_choice_file)
    measured = Measurement({}, moment.voc, list(moment.detections))
    callback = DetectionEvents(moment.setup, SimpleNamespace(latest=measured))
    for epoch in epochs:
        callback.on_epoch_end(epoch, {})
    callback.validation.latest = None
    callback.on_epoch_end(99, {})
    callback.on_train_end()
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(run.events_folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(run.events_folder))
    return provider, RequestContext()


def test_the_plugin_reads_the_curves(tmp_path):
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.pr_curve.pr_curves_plugin import PrCurvesPlugin

    images = [([RIGHT_CAT, FALSE_CAT, RIGHT_DOG], [CAT, DOG]), ([], [CAT])]
    provider, context = write(made_moment(tmp_path, images), [0, 4])
    plugin = PrCurvesPlugin(TBContext(data_provider=provider))
    tags = plugin.tags_impl(context, "")[FOLDER]
    assert set(tags) == {f"precision and recall/{name}" for name in ("all classes", "cat", "dog")}
    curves = plugin.pr_curves_impl(context, "", [FOLDER], "precision and recall/cat")[FOLDER]
    assert [curve["step"] for curve in curves] == [0, 4]
    curve = curves[-1]
    # The false cat has 0.875 and the right one 0.75, of two cats.
    for threshold, right, wrong in ((0.0, 1, 1), (0.75, 1, 1), (0.76, 0, 1), (0.87, 0, 1)):
        i = curve["thresholds"].index(pytest.approx(threshold))
        counts = [curve[f"{kind}_positives"][i] for kind in ("true", "false")]
        assert counts == [right, wrong]
        assert curve["false_negatives"][i] == 2 - right
        assert curve["precision"][i] == right / (right + wrong)
        assert curve["recall"][i] == right / 2
    assert curve["thresholds"][-1] == pytest.approx(0.87), "nothing scores more than 0.875"


def test_the_images_are_there_with_the_detections_on_the_right(tmp_path):
    made = made_evaluation(tmp_path)
    pairs = list(zip(made.detections, made.records, strict=True))
    moment = made_moment(tmp_path, pairs, made.class_names)
    provider, context = write(moment, [0])
    found = provider.list_blob_sequences(context, experiment_id="", plugin_name="images")
    assert set(found[FOLDER]) == {f"validation/{record.image.name}" for record in made.records}
    tag = f"validation/{made.records[0].image.name}"
    data = provider.read_blob_sequences(
        context, experiment_id="", plugin_name="images", downsample=9
    )[FOLDER][tag]
    width, height, jpeg = (
        provider.read_blob(context, blob_key=value.blob_key) for value in data[-1].values
    )
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert (int(height), int(width)) == pixels.shape[:2] == (416, 832)


def test_an_image_that_is_gone_is_left_out(tmp_path):
    moment = made_moment(tmp_path, [([RIGHT_CAT], [CAT])])
    provider, context = write(moment, [0])
    found = provider.list_blob_sequences(context, experiment_id="", plugin_name="images")
    assert found == {}
