"""Connects a study to a cluster of Ray, or starts Ray on this machine alone."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from utils.errors import UserError, is_installed
from yolo4.compare.cluster.executor import ClusterExecutor
from yolo4.compare.cluster.share import Share, share
from yolo4.compare.cluster.shipment import ship
from yolo4.compare.cluster.site import ROOT, marked_site
from yolo4.compare.options import CompareOptions
from yolo4.compare.study import Plan

AUTO = "auto"
# Variables of the command that change what a training computes.
_PASSED_ON = ("KERAS_BACKEND", "TF_", "XLA_", "JAX_", "ONEDNN_")


def require_ray() -> None:
    """Refuse to begin a study on a cluster without Ray.

    Raises:
        UserError: Ray is not installed.
    """
    if not is_installed("ray"):
        raise UserError("--cluster: ray is not installed: pip install -r requirements-cluster.txt")


@contextmanager
def cluster_executor(options: CompareOptions, plan: Plan) -> Iterator[ClusterExecutor]:
    """Within the block, a cluster does the jobs of a study.

    Raises:
        UserError: no cluster answers, or the data cannot be sent.
    """
    with _connection(options.cluster or AUTO) as context, marked_site(plan.study.folder) as site:
        import ray

        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        each = share(machines, options.run_gpus, options.run_cpus)
        for line in _announcement(context, len(machines), each):
            print(line)
        shipped = ship(plan.shared, plan.arms) if options.ship_data else (None, ())
        yield ClusterExecutor(site, each, _environment(each), *shipped)


@contextmanager
def _connection(address: str) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        context = ray.init(
            None if address == AUTO else address,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"--cluster {address}: no cluster of Ray can be used there: {reason}"
        ) from error
    try:
        if is_main and before is not None:  # Ray replaces the answer to SIGTERM
            signal.signal(signal.SIGTERM, before)
        yield context
    finally:
        ray.shutdown()


def _announcement(context: Any, machines: int, each: Share) -> list[str]:
    cores = f"{each.cpus} core{'' if each.cpus == 1 else 's'}"
    gpus = f" and {each.gpus:g} GPU{'' if each.gpus <= 1 else 's'}" if each.gpus else ""
    count = f"{machines} machine{'' if machines == 1 else 's'}"
    lines = [f"cluster: {count}, up to {each.width} runs at once, each with {cores}{gpus}"]
    if not each.width:
        lines = [f"cluster: {count}, none with the {cores}{gpus} of a run; waiting for one"]
    if context.dashboard_url:
        lines.append(f"Ray's dashboard: http://{context.dashboard_url}")
    return lines


def _environment(each: Share) -> dict[str, str]:
    """The variables of the processes that train."""
    found = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    found |= dict.fromkeys(threads, str(each.cpus))
    found["PYTHONPATH"] = f"{ROOT}{os.pathsep}${{PYTHONPATH}}"
    if each.gpus % 1:  # otherwise TensorFlow takes all memory of the GPU that runs share
        found["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    return found
