"""The registry of export formats.

A new format is one file in this folder, with a `ModelFormat` (or a `NetworkFormat`), and its entry
in `FORMATS`: `--format`, `--precision` and `--with-nms` follow from it.

`--help` reads the registry, so importing a format must stay fast: Keras, TensorFlow and a format's
own library are imported by the functions that need them.
"""

from yolo4.formats.darknet import DARKNET
from yolo4.formats.format import Format, ModelFormat
from yolo4.formats.keras import KERAS
from yolo4.formats.litert import LITERT
from yolo4.formats.onnx import ONNX
from yolo4.formats.openvino import OPENVINO
from yolo4.formats.saved_model import SAVED_MODEL

FORMATS: dict[str, Format] = {
    entry.name: entry for entry in (ONNX, OPENVINO, LITERT, SAVED_MODEL, KERAS, DARKNET)
}

MODEL_FORMATS: dict[str, ModelFormat] = {
    name: entry for name, entry in FORMATS.items() if isinstance(entry, ModelFormat)
}
