"""Which devices train together: the setting, and the workers that TF_CONFIG names."""

import dataclasses
import json
import os
import re
from typing import Any

from utils.errors import UserError
from utils.printable import brief

_VARIABLE = "TF_CONFIG"
# The tasks that train. The chief, or the first worker if there is none, writes the run.
_TRAINING_TASKS = ("chief", "worker")


@dataclasses.dataclass(frozen=True)
class DeviceChoice:
    """What the setting `devices` asks for; with neither, all GPUs, or the CPU if there is none.

    Attributes:
        count: number of GPUs, or one device of any kind; None: not said.
        gpus: their numbers; (): not said.
        cpus: number of logical CPU devices; None: not said.
    """

    count: int | None = None
    gpus: tuple[int, ...] = ()
    cpus: int | None = None

    @classmethod
    def parse(cls, text: str) -> "DeviceChoice":
        """Read the setting: `auto`, a number, GPU numbers such as `0,2`, or `cpu:2`.

        Raises:
            UserError: it is none of these.
        """
        if text == "auto":
            return cls()
        if re.fullmatch(r"[1-9]\d{0,3}", text):
            return cls(count=int(text))
        if re.fullmatch(r"cpu:[1-9]\d?", text):
            return cls(cpus=int(text[4:]))
        if re.fullmatch(r"\d{1,3}(,\d{1,3})+", text):
            gpus = tuple(map(int, text.split(",")))
            if len(set(gpus)) == len(gpus):
                return cls(gpus=gpus)
        raise UserError(
            f"--devices is {brief(text)}; it takes auto, a number of devices from 1, different GPU "
            "numbers with commas such as 0,2, or logical CPU devices such as cpu:2"
        )


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training on several machines.

    Attributes:
        workers: how many there are; 1: this process trains alone.
        worker: which one this process is; 0 is the chief.
    """

    workers: int = 1
    worker: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.worker == 0

    @classmethod
    def of_environment(cls) -> "Cluster":
        """Read TF_CONFIG.

        Raises:
            UserError: it is not what TensorFlow describes, or names other tasks than workers.
        """
        text = os.environ.get(_VARIABLE)
        if not text:
            return cls()
        addresses, kind, index = _read(text)
        others = sorted(set(addresses) - set(_TRAINING_TASKS))
        if others:
            raise UserError(
                f"{_VARIABLE}: its cluster has {others[0]!r}; only chief and worker can train here"
            )
        first = {"chief": 0, "worker": len(addresses.get("chief", ()))}
        if kind not in addresses or not 0 <= index < len(addresses[kind]):
            raise UserError(f"{_VARIABLE}: its task is {kind} {index}, which its cluster lacks")
        return cls(sum(map(len, addresses.values())), first[kind] + index)


ALONE = Cluster()


def _read(text: str) -> tuple[dict[str, list[Any]], str, int]:
    """The addresses of the cluster by task, and the kind and number of this process's task."""
    try:
        values = json.loads(text)
        cluster, task = values.get("cluster", {}), values.get("task", {})
        if not cluster:
            return {"worker": [""]}, "worker", 0
        addresses = {str(kind): list(places) for kind, places in cluster.items() if places}
        return addresses, str(task["type"]), int(task["index"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{_VARIABLE} is {brief(text)}; expected a JSON object with a cluster, such as "
            '{"worker": ["host1:2222", "host2:2222"]}, and a task with type and index'
        ) from None
