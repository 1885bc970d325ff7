"""What the benchmarks share: what the machine is, and an untrained network."""

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from utils.errors import metadata_version
from utils.process.hardware import gpu_names, processor_facts, processor_name
from yolo4.quiet import quiet_start
from yolo4.run import Run

# Modules; those of the export requirements may be missing.
LIBRARIES = (
    *("tensorflow", "jax", "torch", "keras", "numpy", "cv2"),
    *("openvino", "nncf", "onnxruntime", "ai_edge_litert"),
)


@contextmanager
def untrained_run(
    input_size: int, width: float = 1.0, depth: float = 1.0, network: str = "yolov4"
) -> Iterator[Run]:
    """A run of 80 classes in a folder that goes when the block ends; it is sure of no object.

    Its logits differ from those of the confidence prior by about 1, so that engines compute them,
    and no score comes near a threshold.
    """
    with quiet_start():
        from utils.anchors import format_anchors
        from yolo4.build import build_model, save_weights
        from yolo4.config import Config

    config = Config(
        network=network, width=width, depth=depth, input_size=input_size, precision="float32"
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        run.config_file.write_text(config.to_json(), encoding="utf-8")
        run.classes_file.write_text("".join(f"class {i}\n" for i in range(80)), encoding="utf-8")
        run.anchors_file.write_text(format_anchors(config.network_spec.anchors), encoding="utf-8")
        model = build_model(config, 80)
        noise = np.random.default_rng(0).integers(0, 256, (1, *config.input_shape, 3), np.uint8)
        # Of the coordinates, whose bias is 0.
        largest = max(float(abs(level[..., :4]).max()) for level in model.predict_on_batch(noise))
        for layer in model.convolutions():
            if layer.use_bias:
                layer.kernel.assign(layer.kernel / largest)
        save_weights(model, run.best_weights)
        yield run


def machine() -> str:
    """Processor, cores, GPU and the versions of what is installed in one line."""
    installed = {name: metadata_version(name) for name in LIBRARIES}
    versions = ", ".join(f"{name} {version}" for name, version in installed.items() if version)
    parts = [_processor(), f"{os.cpu_count()} cores", *gpu_names()]
    return f"{', '.join(parts)}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    facts = processor_facts()
    if not facts:
        return processor_name()
    flags = facts.get("flags", "").split()
    bfloat16 = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return f"{processor_name()} ({', '.join(bfloat16) or 'no bfloat16'})"
