"""Whether Darknet weights compute here what they compute in OpenCV 4: logits, detections and mAP.

python -m benchmarks.weights.opencv --weights yolov4-tiny.weights --cfg yolov4-tiny.cfg --data coco
prints the largest difference of the logits of each level, relative to the largest logit, with
OpenCV's epsilon in batch normalization and with Darknet's; and the mAP of both, stretched and
letterboxed. OpenCV's detections are decoded and suppressed outside of this project's code, and are
scored as text files, as `get_map.py --detections` does.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.machine import machine
from utils.annotations import load_dataset
from utils.image import read_image
from utils.letterbox import Letterbox, fit_image
from utils.metrics.summary import evaluate
from utils.metrics.text_boxes import read_text_boxes
from utils.postprocess import EVALUATION
from utils.records import Record
from utils.resize import Resize
from utils.text import read_class_names
from yolo4.cli import clean_exit, parse
from yolo4.inference.detector import Detector
from yolo4.inference.records import choose_records, detect_records
from yolo4.options import option
from yolo4.quiet import quiet_start
from yolo4.weights.darknet.cfg import DarknetNetwork, read_cfg
from yolo4.weights.darknet.graph import bare_sections, head_levels
from yolo4.weights.darknet.layers import EPSILON

_OPENCV_EPSILON = 1e-6
_MODES: tuple[Resize, ...] = ("stretch", "letterbox")

Forward = Callable[[np.ndarray], list[np.ndarray]]
"""From an image, uint8 `[H, W, 3]` RGB of the input size, to the logits of each level, `[H, W, A, 5
+ C]`, finest level first."""


@dataclasses.dataclass(frozen=True)
class ParityOptions:
    """What is compared."""

    weights: str = option("yolov4-tiny.weights", "Darknet's weights")
    cfg: str = option("yolov4-tiny.cfg", "their network")
    classes: str | None = option(None, "file of class names; None: those of the data set")
    data: tuple[str, ...] = option((), "data set that mAP is measured on")
    split: str = option("all", "train, val, test or all")
    logit_images: int = option(8, "images whose logits are compared", low=1)


def in_opencv(options: ParityOptions, described: DarknetNetwork) -> Forward:
    """The network in OpenCV."""
    net = cv2.dnn.readNetFromDarknet(options.cfg, options.weights)
    names = [name for name, _ in bare_sections(described.network, 1, 1, 1)[1:]]
    heads = [f"conv_{place - 1}" for place, name in enumerate(names) if name == "yolo"]
    order = np.argsort(head_levels(described.network))

    def forward(image: np.ndarray) -> list[np.ndarray]:
        net.setInput(cv2.dnn.blobFromImage(image, 1 / 255))
        outputs = [output[0].transpose(1, 2, 0) for output in net.forward(heads)]
        anchors = described.network.anchors_per_level
        return [outputs[i].reshape(*outputs[i].shape[:2], anchors, -1) for i in order]

    return forward


def in_keras(options: ParityOptions, described: DarknetNetwork, epsilon: float) -> Forward:
    """The network in Keras, in float32."""
    with quiet_start():
        import keras

        from nets.yolov4 import YOLOv4
        from yolo4.weights.darknet.load import load_darknet

    size, shape = (described.width, described.depth), described.input_size
    model = YOLOv4(described.class_count, *size, shape, epsilon=epsilon, network=described.network)
    load_darknet(model, Path(options.weights), whole=True)
    return lambda image: [
        keras.ops.convert_to_numpy(level)[0] for level in model.predict_on_batch(image[None])
    ]


def detections_as_text(
    forward: Forward, described: DarknetNetwork, records: list[Record], resize: Resize, folder: Path
) -> None:
    """Write OpenCV's detections in each image as a text file.

    Args:
        forward: the network in OpenCV.
        described: its anchors and input size.
        records: the images.
        resize: how they are fitted to the input.
        folder: receives a file per image, whose classes are numbers.
    """
    for number, record in enumerate(tqdm(records, desc=f"OpenCV, {resize}", unit="image")):
        image, fit = fit_image(read_image(record.image), described.input_size, resize)
        boxes, scores = _decoded(forward(image), described)
        rows, labels = np.nonzero(scores >= EVALUATION.score_threshold)
        best = np.argsort(-scores[rows, labels], kind="stable")[:4096]
        rows, labels = rows[best], labels[best]
        candidates, score = boxes[rows], scores[rows, labels]
        # OpenCV tells the classes apart by their coordinates, which must not be negative.
        corners = candidates[:, :2] - candidates[:, :2].min()
        xywh = np.concatenate([corners, candidates[:, 2:] - candidates[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(xywh.tolist(), score.tolist(), labels.tolist(), 0.0, 0.45)[
            :300
        ]
        lines = [
            f"{labels[k]} {score[k]:.7f} {' '.join(f'{side:.3f}' for side in box)}\n"
            for k, box in zip(kept, fit.invert(candidates[kept]), strict=True)
        ]
        (folder / f"{number}.txt").write_text("".join(lines), encoding="utf-8")


def _decoded(logits: list[np.ndarray], described: DarknetNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `[N, 4]`, xyxy in input pixels, and scores `[N, C]`, by Darknet's formulas."""
    anchors = np.reshape(described.anchors, (len(logits), -1, 2))
    boxes, scores = [], []
    levels = zip(logits, described.network.strides, described.scale_x_y, anchors, strict=True)
    for level, stride, scale, sizes in levels:
        row, column = np.mgrid[: level.shape[0], : level.shape[1]]
        cell = np.stack([column, row], axis=-1)[:, :, None]
        inside = _sigmoid(level[..., :2]) * scale - (scale - 1) / 2
        center, half = (cell + inside) * stride, np.exp(level[..., 2:4]) * sizes / 2
        boxes.append(np.concatenate([center - half, center + half], axis=-1).reshape(-1, 4))
        score = _sigmoid(level[..., 4:5]) * _sigmoid(level[..., 5:])
        scores.append(score.reshape(-1, score.shape[-1]))
    return np.concatenate(boxes), np.concatenate(scores)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def truth_as_text(records: list[Record], folder: Path) -> None:
    """Write the objects of each image as a text file, whose classes are numbers."""
    for number, record in enumerate(records):
        rows = zip(record.labels, record.boxes.tolist(), record.difficult, strict=True)
        lines = [f"{label} {' '.join(map(str, box))} {int(flag)}\n" for label, box, flag in rows]
        (folder / f"{number}.txt").write_text("".join(lines), encoding="utf-8")


def _opencv_map(
    forward: Forward, described: DarknetNetwork, records: list[Record], resize: Resize
) -> tuple[float, float]:
    """VOC mAP at IoU 0.5 and COCO AP of OpenCV's detections."""
    with tempfile.TemporaryDirectory() as folder:
        found, truth = Path(folder, "found"), Path(folder, "truth")
        found.mkdir()
        truth.mkdir()
        detections_as_text(forward, described, records, resize, found)
        truth_as_text(records, truth)
        boxes = read_text_boxes(found, truth)
    metrics = evaluate(boxes.detections, boxes.records, boxes.class_names, coco=True)
    return metrics.voc.map, metrics.coco["AP"]


def _our_map(
    forward: Forward,
    described: DarknetNetwork,
    records: list[Record],
    names: tuple[str, ...],
    resize: Resize,
) -> tuple[float, float]:
    """VOC mAP at IoU 0.5 and COCO AP, as `get_map.py` measures them."""
    from nets.decode import decode

    anchors = [list(anchor) for anchor in described.anchors]

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits = [level[None] for level in forward(images[0])]
        decoded = decode(logits, anchors, described.network.strides, described.scale_x_y)
        boxes, confidence, class_scores = map(np.asarray, decoded)
        return boxes, confidence, class_scores

    detector = Detector(
        infer,
        names,
        described.input_size,
        EVALUATION,
        batch_size=1,
        network=described.network,
        resize=resize,
    )
    found = detect_records(detector.detect_batch, records, batch_size=1)
    metrics = evaluate(found, records, names, coco=True)
    return metrics.voc.map, metrics.coco["AP"]


def measure(options: ParityOptions) -> None:
    """Print the tables."""
    described = read_cfg(Path(options.cfg))
    names = read_class_names(options.classes) if options.classes else None
    dataset = load_dataset(options.data, names)
    _, records = choose_records(dataset.splits, options.split)
    opencv = in_opencv(options, described)
    ours = {e: in_keras(options, described, e) for e in (_OPENCV_EPSILON, EPSILON)}
    print(machine())
    print("\n| epsilon | " + " | ".join(described.network.logit_names) + " |")
    print("|---|" + "---|" * described.network.levels)
    images = [
        Letterbox.fit(record.size, described.input_size, "stretch").draw(read_image(record.image))
        for record in records[: options.logit_images]
    ]
    expected = [opencv(image) for image in images]
    for epsilon, forward in ours.items():
        differences = np.max(
            [
                [
                    np.abs(a - b).max() / np.abs(b).max()
                    for a, b in zip(forward(image), right, strict=True)
                ]
                for image, right in zip(images, expected, strict=True)
            ],
            axis=0,
        )
        print(f"| {epsilon:g} | " + " | ".join(f"{value:.2g}" for value in differences) + " |")
    print("\n| resize | | VOC mAP | COCO AP |\n|---|---|---|---|")
    for resize in _MODES:
        for name, (voc, coco) in (
            ("OpenCV", _opencv_map(opencv, described, records, resize)),
            ("here", _our_map(ours[EPSILON], described, records, dataset.class_names, resize)),
        ):
            print(f"| {resize} | {name} | {100 * voc:.2f}% | {100 * coco:.2f}% |")


if __name__ == "__main__":
    with clean_exit():
        measure(parse(ParityOptions(), __doc__))
