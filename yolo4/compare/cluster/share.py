"""What each run gets of a cluster, and how many runs fit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Resources = Mapping[str, float]
"""What a machine has, as Ray counts it: "CPU" and "GPU"."""


@dataclass(frozen=True)
class Share:
    """What each run gets.

    Attributes:
        gpus: a number, or a fraction of one.
        cpus: cores, as many as its threads.
        width: how many runs fit on the machines that there are now.
    """

    gpus: float
    cpus: int
    width: int


def share(machines: Sequence[Resources], run_gpus: float | None, run_cpus: int | None) -> Share:
    """What each run gets.

    Args:
        machines: those of the cluster.
        run_gpus: as asked for; None: 1 if a machine has GPUs, else 0.
        run_cpus: as asked for; None: the cores of a machine, divided among the runs that its GPUs
            allow; the machine with the fewest decides.
    """
    gpus = run_gpus
    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU", 0) >= 1 for machine in machines) else 0.0
    fitting = [each for each in machines if each.get("GPU", 0) >= gpus and each.get("CPU", 0) >= 1]
    cpus = run_cpus or min((_cores(each, gpus) for each in fitting), default=1)
    width = sum(
        min(int(each["CPU"]) // cpus, _runs(each, gpus, int(each["CPU"]))) for each in fitting
    )
    return Share(gpus, cpus, width)


def _runs(machine: Resources, gpus: float, otherwise: int) -> int:
    """How many runs the GPUs of a machine allow."""
    if not gpus:
        return otherwise
    return math.floor(machine.get("GPU", 0) / gpus + 1e-9)  # 1 / 0.1 is not quite 10


def _cores(machine: Resources, gpus: float) -> int:
    return max(1, int(machine["CPU"]) // _runs(machine, gpus, otherwise=1))
