"""How many of float32's boxes bfloat16 finds too, and what mAP both have.

python -m benchmarks.agreement --run logs/<run> prints a table of OpenVINO's precisions, measured on
the images that get_map.py takes of the run's data set.
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
from yolo4.formats.runtimes import fast_precision, open_openvino
from yolo4.inference.detector import Detector
from yolo4.inference.engine import as_infer
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.records import choose_records, detect_records
from yolo4.options import option
from yolo4.run import Run, open_run

LEAST_SCORE = 0.3
LEAST_IOU = 0.9
LEAST_SCORE_OF_OTHERS = 0.25  # or a box at the threshold would be alone


@dataclasses.dataclass(frozen=True)
class AgreementOptions:
    """What is measured."""

    run: str | None = option(None, "a trained run; None: the latest")
    split: str | None = option(None, "train, val, test or all; None: test, else val")


def measure(options: AgreementOptions) -> None:
    """Print the table."""
    if fast_precision("openvino") != "bfloat16":
        raise UserError("this processor has no instructions for bfloat16: there is nothing to see")
    print(machine())
    run = open_run(options.run)
    config, names = run.config(), run.class_names()
    splits = load_dataset(config.data, names, seed=config.split_seed).splits
    split, records = choose_records(splits, options.split)
    exact, fast = (_detect(run, records, precision) for precision in ("float32", "bfloat16"))
    print(f"\n{len(records)} images of {split}, boxes that score over {LEAST_SCORE}:\n")
    print(f"| precision | boxes | with one of the other's at IoU {LEAST_IOU} | mAP |")
    print("|---|---|---|---|")
    for name, own, other in (("float32", exact, fast), ("bfloat16", fast, exact)):
        shared = [has for pair in zip(own, other, strict=True) for has in counterparts(*pair)]
        mean = evaluate(own, records, names).voc.main.map
        print(f"| {name} | {len(shared)} | {sum(shared)} | {mean:.3f} |")


def counterparts(found: Detections, others: Detections) -> Iterator[bool]:
    """Whether each box over the lowest score has another of its class in its place."""
    is_same = same_objects(found.boxes, found.labels, others.boxes, others.labels, LEAST_IOU)
    has_one = (is_same & (others.scores >= LEAST_SCORE_OF_OTHERS)).any(axis=1)
    yield from has_one[found.scores > LEAST_SCORE].tolist()


def _detect(run: Run, records: list[Record], precision: str) -> list[Detections]:
    detector = Detector(
        as_infer(open_openvino(cached_model(run, "openvino"), precision)),
        run.class_names(),
        run.config().input_shape,
        EVALUATION,
        batch_size=1,
    )
    return detect_records(detector.detect_batch, records)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(AgreementOptions(), __doc__))
