"""What an exported file says of its input, read by the format's own runtime."""

from pathlib import Path
from typing import Any

from yolo4.formats.libraries import library, openvino_core


def input_shape(format_name: str, path: Path) -> list[int | None]:
    """The shape of the input `images`; None is any number."""
    sides: Any = _READERS[format_name](path)
    return [int(side) if str(side).isdecimal() else None for side in sides]


def _onnx(path: Path) -> Any:
    (images,) = library("onnxruntime").InferenceSession(path).get_inputs()
    return images.shape  # a name in place of any number


def _openvino(path: Path) -> Any:
    model = openvino_core().read_model(path)  # which its nodes must not outlive
    return [side.get_length() if side.is_static else None for side in model.input(0).partial_shape]


def _litert(path: Path) -> Any:
    interpreter = library("ai_edge_litert.interpreter").Interpreter(str(path))
    return interpreter.get_signature_runner().get_input_details()["images"]["shape_signature"]


def _saved_model(path: Path) -> Any:
    serve = library("tensorflow").saved_model.load(str(path)).signatures["serving_default"]
    return serve.structured_input_signature[1]["images"].shape


def _keras(path: Path) -> Any:
    return library("keras").models.load_model(path).input_shape


_READERS = {
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "saved_model": _saved_model,
    "keras": _keras,
}
