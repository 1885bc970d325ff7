"""How many of float32's boxes bfloat16 finds too, and the mAP of both.

python -m benchmarks.inference.agreement --run logs/<run> prints a table of OpenVINO's precisions,
measured on the same images of the run's data set as get_map.py.
"""

import dataclasses
from collections.abc import Iterator

from benchmarks.machine import machine
from utils.annotations import load_dataset
from utils.boxes import same_objects
from utils.errors import UserError
from utils.metrics.summary import evaluate
from utils.postprocess import EVALUATION
from utils.records import Detections, Record
from yolo4.cli import clean_exit, parse
from yolo4.formats.openvino import OPENVINO, fast_precision, open_openvino
from yolo4.inference.detector import Detector
from yolo4.inference.engine import as_infer
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.records import choose_records, detect_records
from yolo4.options import option
from yolo4.run import Run, open_run

MIN_SCORE = 0.3
MIN_IOU = 0.9
MIN_SCORE_OF_OTHERS = 0.25  # lower, so that a box at the threshold finds its counterpart


@dataclasses.dataclass(frozen=True)
class AgreementOptions:
    """What to measure."""

    run: str | None = option(None, "a trained run; None: the latest")
    split: str | None = option(None, "train, val, test or all; None: test, else val")


def measure(options: AgreementOptions) -> None:
    """Print the table."""
    if fast_precision() != "bfloat16":
        raise UserError(
            "this processor has no instructions for bfloat16, so there is nothing to compare"
        )
    print(machine())
    run = open_run(options.run)
    config, names = run.config(), run.class_names()
    splits = load_dataset(config.data, names, seed=config.split_seed).splits
    split, records = choose_records(splits, options.split)
    float32, bfloat16 = (_detect(run, records, precision) for precision in ("float32", "bfloat16"))
    print(f"\n{len(records)} images of {split}, boxes that score over {MIN_SCORE}:\n")
    print(f"| precision | boxes | with one of the other's at IoU {MIN_IOU} | mAP |")
    print("|---|---|---|---|")
    for name, detections, others in (
        ("float32", float32, bfloat16),
        ("bfloat16", bfloat16, float32),
    ):
        pairs = zip(detections, others, strict=True)
        shared = [has_one for pair in pairs for has_one in counterparts(*pair)]
        mean = evaluate(detections, records, names).voc.main.map
        print(f"| {name} | {len(shared)} | {sum(shared)} | {mean:.3f} |")


def counterparts(detections: Detections, others: Detections) -> Iterator[bool]:
    """Whether each box above the lowest score has a box of the same class and place in `others`."""
    is_same = same_objects(
        detections.boxes, detections.labels, others.boxes, others.labels, MIN_IOU
    )
    has_one = (is_same & (others.scores >= MIN_SCORE_OF_OTHERS)).any(axis=1)
    yield from has_one[detections.scores > MIN_SCORE].tolist()


def _detect(run: Run, records: list[Record], precision: str) -> list[Detections]:
    detector = Detector(
        as_infer(open_openvino(cached_model(run, OPENVINO), precision)),
        run.class_names(),
        run.config().input_shape,
        EVALUATION,
        batch_size=1,
    )
    return detect_records(detector.detect_batch, records)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(AgreementOptions(), __doc__))
