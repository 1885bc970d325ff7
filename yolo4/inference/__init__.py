"""Detectors, and the backends that run their networks. Light, since the options import it."""

from typing import Literal

Backend = Literal["auto", "keras", "openvino", "onnxruntime", "litert"]
BACKEND_HELP = "what runs the network; auto: OpenVINO if installed and there is no GPU, else Keras"
Precision = Literal["auto", "int8"]
PRECISION_HELP = (
    "auto: the backend's fastest that finds the same boxes; int8: of OpenVINO, if it keeps the mAP "
    "on the run's validation images"
)
RESIZE_HELP = "how images are fitted to the input: letterbox or stretch; None: that of the run"
RECT_HELP = "letterbox each image in the smallest input that it fits, with less padding to compute"
