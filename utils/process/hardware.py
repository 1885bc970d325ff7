"""What this machine computes with: its processor and its GPUs."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def processor_facts() -> dict[str, str]:
    """What Linux says of the last processor, by name; empty on other systems."""
    if not _CPUINFO.is_file():
        return {}
    pairs = (line.partition(":") for line in _CPUINFO.read_text(encoding="utf-8").splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor_name() -> str:
    """The model of the processor, or as much as the system says."""
    return processor_facts().get("model name") or platform.processor() or platform.machine()


def gpu_names() -> list[str]:
    """The models of the NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "-1") or not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    command += [] if visible is None else [f"--id={visible}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if done.returncode else done.stdout.splitlines()
