"""oneDNN, the library of fast convolutions that TensorFlow uses on x86 processors."""

import os
import platform

_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
_X86 = ("x86_64", "AMD64")
_LIMIT = "ONEDNN_MAX_CPU_ISA"


def prefer_onednn() -> None:
    """Let TensorFlow use oneDNN on every x86 processor, unless the environment has the setting.

    TensorFlow reads it when it is imported. By itself it uses oneDNN only on processors that have
    AVX512-VNNI, AVX512-BF16 or AMX. On a processor with AVX2 alone, a training step of the slim
    network took a third of the time with it (docs/performance.md).
    """
    if platform.machine() in _X86:
        os.environ.setdefault(_VARIABLE, "1")


def onednn_setting() -> str:
    """The setting of this process: "1", "0", or "default" if TensorFlow decides."""
    return os.environ.get(_VARIABLE, "default")


def allows_amx() -> bool:
    """Whether the user's limit of oneDNN's instructions, if there is one, includes AMX."""
    limit = os.environ.get(_LIMIT, "DEFAULT").upper()
    return limit in ("DEFAULT", "ALL") or "AMX" in limit


def allows_bfloat16() -> bool:
    """Whether that limit includes any instructions for products of bfloat16."""
    limit = os.environ.get(_LIMIT, "").upper()
    return allows_amx() or limit.endswith(("BF16", "FP16")) or limit.startswith("AVX10")
