"""What a run was computed with, which decides the last digits of its numbers."""

import dataclasses
import os
import platform
import socket
from typing import Any

import utils.files.reading as files
from utils.errors import is_installed, module_version
from utils.process.hardware import gpu_names, processor_name
from yolo4.compare.study_files import StudyRun, read_json, write_json


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a run was computed with.

    Attributes:
        host: the machine's name.
        processor: its model.
        threads: with which an operation was computed on it.
        gpus: their models; none if the processor did the work.
        versions: of Python and of the libraries that compute.
    """

    host: str
    processor: str
    threads: int
    gpus: tuple[str, ...]
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        """What this process computes with. Keras is imported."""
        import keras

        return cls(
            socket.gethostname(),
            processor_name(),
            int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or os.cpu_count() or 1,
            tuple(gpu_names()) if keras.distribution.list_devices("gpu") else (),
            library_versions(),
        )

    @property
    def words(self) -> str:
        """Everything but the host, in words: equal if runs compute alike."""
        parts = [self.processor, f"{self.threads} thread{'' if self.threads == 1 else 's'}"]
        parts += [*self.gpus, *(f"{name} {version}" for name, version in self.versions.items())]
        return ", ".join(parts)


def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that decide a result."""
    backends = [name for name in ("tensorflow", "jax") if is_installed(name)]
    modules = dict(zip(backends, backends, strict=True))
    modules |= {"keras": "keras", "numpy": "numpy", "opencv": "cv2"}
    versions = {name: module_version(module) for name, module in modules.items()}
    return {"python": platform.python_version(), **versions}


def note_machine(run: StudyRun) -> None:
    """Add this machine to those of a run, unless it is the last of them."""
    machines, here = machines_of(run), Machine.here()
    if machines[-1:] != [here]:
        write_json(run.machines_file, [dataclasses.asdict(each) for each in [*machines, here]])


def machines_of(run: StudyRun) -> list[Machine]:
    """The machines of a run, in turn; none for a run of an older version.

    Raises:
        UserError: the file is damaged.
    """
    if not run.machines_file.is_file():
        return []
    stored: list[dict[str, Any]] = read_json(run.machines_file)
    with files.reading(run.machines_file, "the machines of a run"):
        return [Machine(**{**each, "gpus": tuple(each["gpus"])}) for each in stored]
