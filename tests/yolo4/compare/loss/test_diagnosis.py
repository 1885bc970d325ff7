"""The loss of a network on fixed validation batches, and during a training."""

import json

import cv2
import keras
import numpy as np
import pytest

from nets.decode import decode
from nets.losses import confidence_loss
from tests.helpers.yolov4 import LEVELS, make_loss
from utils.boxes import iou
from utils.records import Record
from yolo4.compare.loss import diagnosis
from yolo4.compare.loss.analysis import PREDICTOR_GROUPS, LossAnalysis, cumulative_share
from yolo4.compare.loss.diagnosis import LossAnalysisCallback, stored_epochs
from yolo4.config import Config
from yolo4.run import Run
from yolo4.train.optimizer.optimizers import SGD
from yolo4.train.state.checkpoint import save_state
from yolo4.train.state.progress import Progress

ANCHORS = [[4, 4], [8, 8], [8, 16], [16, 16], [24, 16], [16, 32], [32, 32], [48, 32], [64, 64]]
NAMES = ("cat", "dog")
SIZE = (64, 64)
QUIET = -6.0  # the confidence logit of an untrained network


class Fixed:
    """A network with the same output for every image."""

    def __init__(self, confidence=None, arm="bce", gain=1.0, **options):
        self.logits = [np.zeros((1, 64 // s, 64 // s, 3, 7), np.float32) for s in (8, 16, 32)]
        for level in self.logits:
            level[..., 4] = QUIET
        for (level, row, column, anchor), value in (confidence or {}).items():
            self.logits[level][0, row, column, anchor, 4] = value
        loss = confidence_loss(
            arm, focal_alpha=0.25, focal_gamma=2.0, focal_beta=1.0, ohem_ratio=3.0
        )
        self.criterion = make_loss(ANCHORS, loss, confidence_gain=gain, **options)
        self.batches = []

    def predict_on_batch(self, images):
        self.batches.append(images.copy())
        return [np.repeat(level, len(images), axis=0) for level in self.logits]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Uses the loss uncompiled: compiling takes seconds for each setting and shape."""
    monkeypatch.setattr("nets.losses.compiled", lambda function: function)


def make_record(folder, name, size, *objects):
    """A record of (label, x1, y1, x2, y2, difficult) tuples, with its image."""
    path = folder / f"{name}.png"
    shade = 10 * len(list(folder.iterdir()))
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), shade, np.uint8))
    rows = np.array(objects, np.float32).reshape(-1, 6)
    return Record(path, size, rows[:, 1:5], rows[:, 0].astype(np.int32), rows[:, 5] > 0)


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    # Twice the input's size: a box there is twice as large. The first object is the second anchor
    # of the stride-8 cell in row 1, column 2.
    return [
        make_record(folder, "a", (128, 128), (1, 32, 16, 48, 32, False)),
        make_record(folder, "b", (128, 64)),
        make_record(folder, "c", (128, 128), (0, 80, 0, 88, 8, True)),
    ]


ASSIGNED = (0, 1, 2, 1)


class TestEpoch:
    def levels(self, records, model, batch_size=2):
        analysis = LossAnalysis(records, NAMES, SIZE, batch_size)
        levels = analysis.epoch(model, model.criterion)["levels"]
        assert [level["stride"] for level in levels] == [8, 16, 32]
        for level in levels:
            assert tuple(level["predictors"]) == PREDICTOR_GROUPS
            assert tuple(level["loss"]) == tuple(level["gradient"]) == PREDICTOR_GROUPS[:-1]
        return levels

    def test_by_hand(self, records):
        # The positive at 2; two hard negatives and one on the boundary; the rest is quiet.
        values = {ASSIGNED: 2.0, (0, 5, 5, 0): 3.0, (1, 0, 0, 2): 1.0, (2, 0, 0, 0): 0.0}
        first, second, third = self.levels(records[:1], Fixed(values, gain=2.0))
        assert first["predictors"] == dict(zip(PREDICTOR_GROUPS, (1, 190, 1, 0), strict=True))
        assert second["predictors"] == dict(zip(PREDICTOR_GROUPS, (0, 47, 1, 0), strict=True))
        assert third["predictors"] == dict(zip(PREDICTOR_GROUPS, (0, 12, 0, 0), strict=True))

        def expected(*logits):  # BCE of negatives, and its gradient, times the gain
            x = np.array(logits)
            return 2 * np.log1p(np.exp(x)).sum(), 2 * (1 / (1 + np.exp(-x))).sum()

        found = (first["loss"]["hard_negative"], first["gradient"]["hard_negative"])
        assert found == pytest.approx(expected(3.0), rel=1e-5)
        found = (first["loss"]["easy_negative"], first["gradient"]["easy_negative"])
        assert found == pytest.approx(expected(*[QUIET] * 190), rel=1e-4)
        found = (third["loss"]["easy_negative"], third["gradient"]["easy_negative"])
        assert found == pytest.approx(expected(0.0, *[QUIET] * 11), rel=1e-4)
        assert first["loss"]["positive"] == pytest.approx(2 * np.log1p(np.exp(-2)), rel=1e-5)
        assert first["gradient"]["positive"] == pytest.approx(2 / (1 + np.exp(2)), rel=1e-5)

    def test_ignored_predictors_are_counted_and_contribute_nothing(self, records):
        # The predictor of the difficult object of "c": row 0, column 5, the first anchor.
        ignored = self.levels([records[2]], Fixed({(0, 0, 5, 0): 5.0}))[0]
        assert ignored["predictors"] == dict(zip(PREDICTOR_GROUPS, (0, 191, 0, 1), strict=True))
        assert ignored["loss"]["hard_negative"] == ignored["gradient"]["hard_negative"] == 0

    def test_each_image_counts_once_though_every_batch_is_full(self, records):
        model = Fixed()
        levels = self.levels(records, model, batch_size=2)
        assert [len(batch) for batch in model.batches] == [2, 2]
        assert sum(sum(level["predictors"].values()) for level in levels) == 3 * (192 + 48 + 12)
        for level, alone in zip(levels, self.levels(records, Fixed(), batch_size=1), strict=True):
            assert level["predictors"] == alone["predictors"]
            for name in ("loss", "gradient"):
                assert level[name] == pytest.approx(alone[name], rel=1e-6)

    def test_images_are_fitted_as_in_the_training(self, tmp_path):
        # Stretched to half its width, the object is that of `records`.
        wide = make_record(tmp_path, "wide", (128, 64), (1, 32, 8, 48, 16, False))
        model = Fixed({ASSIGNED: 2.0})
        for resize, logit in (("stretch", 2.0), ("letterbox", QUIET)):
            config = Config(input_size=64, batch_size=1, resize=resize)
            analysis = diagnosis._loss_analysis(config, [wide], NAMES)
            loss = analysis.epoch(model, model.criterion)["levels"][0]["loss"]["positive"]
            assert loss == pytest.approx(np.log1p(np.exp(-logit)))

    def test_the_first_batches_are_used_in_order_every_time(self, records):
        model = Fixed()
        analysis = LossAnalysis(records, NAMES, SIZE, batch_size=1, batches=2)
        first = analysis.epoch(model, model.criterion)
        assert analysis.epoch(model, model.criterion) == first
        assert [int(batch[0, 32, 32, 0]) for batch in model.batches] == [0, 10, 0, 10]


class TestFinal:
    def final(self, records, model, batch_size=2):
        analysis = LossAnalysis(records, NAMES, SIZE, batch_size)
        result = analysis.final(model, model.criterion)
        json.dumps(result, allow_nan=False)
        return result

    def test_histogram_counts_positives_and_kept_negatives(self, records):
        result = self.final(records, Fixed({ASSIGNED: 2.0, (0, 0, 5, 0): 5.0}))["histogram"]
        edges = np.array(result["edges"])
        assert (edges[0], edges[-1]) == (0, 1)
        positive, negative = np.array(result["positive"]), np.array(result["negative"])
        # Of "a" the first is a positive, of "c" the second is ignored: two of each are negatives.
        assert positive.sum() == 1
        assert positive[np.searchsorted(edges, 1 / (1 + np.exp(-2))) - 1] == 1
        assert negative[0] == 3 * 252 - 6
        assert negative[np.searchsorted(edges, 1 / (1 + np.exp(-2))) - 1] == 2
        assert negative[-1] == 2

    def test_cumulative_share_is_of_the_losses_of_all_batches(self, records):
        result = self.final(records, Fixed({(0, 5, 5, 0): 8.0}))["cumulative"]
        losses = np.full(3 * 252 - 2, np.log1p(np.exp(QUIET)))
        losses[:3] = np.log1p(np.exp(8.0))
        expected = cumulative_share(losses)
        np.testing.assert_allclose(
            result["negative"]["share_of_loss"], expected["share_of_loss"], rtol=1e-4
        )
        assert result["negative"]["share_of_loss"][99] < 0.2, "three of them carry most of it"

    def test_without_positives_their_share_is_empty(self, records):
        result = self.final(records[1:2], Fixed())["cumulative"]
        assert result["positive"] == {"share_of_predictors": [], "share_of_loss": []}
        assert len(result["negative"]["share_of_loss"]) == 101

    def test_curves_are_against_p_t_for_both(self, records):
        curves = self.final(records, Fixed(arm="focal", gain=2.0))["curves"]
        p_t = np.array(curves["x"])
        for name, alpha_t in (("positive", 0.25), ("negative", 0.75)):
            expected = -2 * alpha_t * (1 - p_t) ** 2 * np.log(p_t)
            np.testing.assert_allclose(curves[name]["loss"], expected, rtol=1e-3)
            assert min(curves[name]["gradient"]) > 0

    def test_worst_negatives_have_the_highest_loss_and_boxes_in_the_image_file(self, records):
        values = {(0, 5, 5, 1): 4.0, (1, 3, 0, 0): 3.0}
        worst = self.final(records[:2], Fixed(values, gain=2.0))["worst_negatives"]
        assert [entry["loss"] for entry in worst] == sorted(e["loss"] for e in worst)[::-1]
        assert len(worst) == 24
        first, second = worst[:2]
        assert {first["image"], second["image"]} == {str(records[i].image) for i in (0, 1)}
        assert first["stride"] == second["stride"] == 8
        for entry in (first, second):
            assert entry["confidence"] == pytest.approx(1 / (1 + np.exp(-4)), rel=1e-5)
            assert entry["loss"] == pytest.approx(2 * np.log1p(np.exp(4)), rel=1e-5)
            assert entry["gradient"] == pytest.approx(2 / (1 + np.exp(-4)), rel=1e-5)
        # The 8 x 8 anchor around (44, 44) in the input. "a" is twice as large, "b" too, with 16
        # input rows of padding above.
        boxes = {entry["image"]: entry["box"] for entry in (first, second)}
        np.testing.assert_allclose(boxes[str(records[0].image)], [80, 80, 96, 96], atol=1e-3)
        np.testing.assert_allclose(boxes[str(records[1].image)], [80, 48, 96, 64], atol=1e-3)

    def test_worst_negatives_name_the_object_that_they_overlap_most(self, records):
        values = {(0, 1, 2, 2): 4.0, (0, 7, 7, 0): 3.0, ASSIGNED: 9.0}
        worst = self.final(records[:1], Fixed(values))["worst_negatives"]
        # The 8 x 16 anchor on the 8 x 8 object: half of it.
        assert (worst[0]["object"], worst[0]["iou"]) == ("dog", pytest.approx(0.5))
        assert (worst[1]["object"], worst[1]["iou"]) == (None, 0)

    def test_only_the_worst_negative_of_a_spot_is_shown(self, records):
        values = {(0, 5, 5, 1): 4.0, (0, 5, 5, 0): 3.9, (0, 5, 5, 2): 3.8, (0, 5, 6, 1): 3.7}
        entries = self.final(records[1:2], Fixed(values))["worst_negatives"]
        boxes = np.array([entry["box"] for entry in entries])
        overlap = iou(boxes[:, None], boxes[None])
        np.fill_diagonal(overlap, 0)
        assert overlap.max() <= 0.3
        loud = [entry["confidence"] for entry in entries if entry["confidence"] > 0.5]
        logits = sorted(np.log(p / (1 - p)) for p in loud)
        # 4 x 4 in 8 x 8 is 0.25, 8 x 8 in 8 x 16 one half; the neighbor only touches.
        np.testing.assert_allclose(logits, [3.7, 3.9, 4.0], rtol=1e-4)

    def test_negatives_in_the_padding_or_without_loss_are_not_shown(self, records):
        in_padding = Fixed({(0, 0, 3, 0): 9.0})  # of "b", whose first 16 input rows are gray
        entries = self.final(records[1:2], in_padding)["worst_negatives"]
        assert max(entry["confidence"] for entry in entries) < 0.5
        # Of an image without objects mining takes one negative.
        mined = self.final(records[1:2], Fixed({(0, 5, 5, 1): 4.0}, arm="ohem"))["worst_negatives"]
        assert len(mined) == 1

    def test_predicted_boxes_are_those_of_the_network(self, records):
        model = Fixed({(1, 2, 2, 0): 5.0})
        model.logits[1][0, 2, 2, 0, :4] = [1.0, -1.0, 0.3, -0.2]
        entry = self.final(records[:1], model)["worst_negatives"][0]
        boxes = np.asarray(decode(model.logits, ANCHORS, *LEVELS)[0])[0]
        np.testing.assert_allclose(entry["box"], 2 * boxes[192 + (2 * 4 + 2) * 3], rtol=1e-4)


class TestCumulativeShare:
    @pytest.mark.quick
    def test_by_hand(self):
        shares = cumulative_share(np.array([6.0, 1.0, 0.0, 3.0]))
        assert shares["share_of_predictors"] == pytest.approx(np.linspace(0, 1, 101))
        loss = shares["share_of_loss"]
        found = [loss[0], loss[25], loss[50], loss[75], loss[100]]
        assert found == pytest.approx([0, 0, 0.1, 0.4, 1])
        assert loss[85] == pytest.approx(0.4 + 0.6 * 0.4)

    def test_equal_losses_make_the_diagonal(self):
        loss = cumulative_share(np.full(7, 2.0, np.float32))["share_of_loss"]
        assert loss == pytest.approx(np.linspace(0, 1, 101))

    @pytest.mark.parametrize("losses", [[], [0.0, 0.0]])
    def test_empty_without_loss(self, losses):
        empty = {"share_of_predictors": [], "share_of_loss": []}
        assert cumulative_share(np.array(losses, np.float32)) == empty


class Scripted:
    """An analysis that reports which weight it saw."""

    def __init__(self, loss=lambda weight: weight):
        self.loss = loss

    def epoch(self, model, criterion):
        assert criterion == "the model's criterion"
        value = float(self.loss(model.get_weights()[0].item()))
        names = PREDICTOR_GROUPS[:-1]
        return {"levels": [{"loss": dict.fromkeys(names, value), "gradient": {"positive": 1.0}}]}


class TestCallback:
    @pytest.fixture
    def run(self, tmp_path):
        (tmp_path / "run").mkdir()
        return Run(tmp_path / "run")

    @pytest.fixture
    def model(self):
        inputs = keras.Input((1,))
        model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
        model.compile(SGD(learning_rate=0.1, decay=0.0, average=0.5), "mae")
        model.optimizer.build(model.trainable_variables)
        model.set_weights([np.ones((1, 1))])
        model.criterion = "the model's criterion"
        return model

    def watch(self, run, model, monkeypatch, done, epochs, eval_period=2, loss=lambda x: x):
        """Run the callback in a training of `epochs` epochs, `done` of which were done before."""
        monkeypatch.setattr(diagnosis, "LossAnalysis", lambda *_: Scripted(loss))
        save_state(run.state_file, model, Progress(epoch=done))
        callback = LossAnalysisCallback(run, Config(epochs=7, eval_period=eval_period), [], NAMES)
        callback.set_model(model)
        callback.on_train_begin()
        weights = []
        for epoch in range(done, epochs):
            model.train_on_batch(np.ones((2, 1)), np.zeros((2, 1)))
            before = model.get_weights()[0].item()
            callback.on_epoch_end(epoch)
            assert model.get_weights()[0].item() == before
            weights.append(before)
        return weights

    def epochs(self, run):
        return [entry["epoch"] for entry in stored_epochs(run)]

    def test_before_training_every_few_epochs_and_after_the_last(self, run, model, monkeypatch):
        weights = self.watch(run, model, monkeypatch, 0, 7, eval_period=3)
        assert self.epochs(run) == [0, 3, 6, 7]
        seen = [e["levels"][0]["loss"]["positive"] for e in stored_epochs(run)]
        assert seen[0] == 1.0, "the untrained weights, not their average, which is empty"
        # 0.9, 0.8, 0.7 with an average that starts at the first.
        assert seen[1] == pytest.approx(((0.9 + 0.8) / 2 + 0.7) / 2, rel=1e-5)
        assert weights[2] == pytest.approx(0.7)

    def test_a_resumed_training_continues_and_a_repeated_epoch_is_stored_once(
        self, run, model, monkeypatch
    ):
        self.watch(run, model, monkeypatch, 0, 4)
        before = stored_epochs(run)
        # Killed before the state after epoch 4 was kept.
        self.watch(run, model, monkeypatch, 3, 7)
        assert self.epochs(run) == [0, 2, 4, 6, 7]
        assert stored_epochs(run)[:2] == before[:2]
        assert stored_epochs(run)[2] != before[2]

    def test_a_second_phase_does_not_start_again(self, run, model, monkeypatch):
        self.watch(run, model, monkeypatch, 0, 3)
        self.watch(run, model, monkeypatch, 3, 7)
        assert self.epochs(run) == [0, 2, 4, 6, 7]

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_sums_that_are_not_finite_are_left_out(self, run, model, monkeypatch, bad):
        self.watch(run, model, monkeypatch, 0, 7, loss=lambda x: bad if x < 0.7 else x)
        assert self.epochs(run) == [0, 2]

    def test_a_run_without_the_callback_has_no_epochs(self, run):
        assert stored_epochs(run) == []
