"""Has the jobs of a study done by a cluster: each is a Ray task with its own resources."""

import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from utils.errors import UserError
from utils.process.children import ChildKilledError
from yolo4.compare.cluster.rows import Rows
from yolo4.compare.cluster.share import Share
from yolo4.compare.cluster.shipment import Shipment
from yolo4.compare.cluster.site import ROOT, Site
from yolo4.compare.cluster.task import Report
from yolo4.compare.cluster.transfer import pack, unpack
from yolo4.compare.running.jobs import Begun, Ended, Job

if TYPE_CHECKING:
    import ray

# A job whose machine is lost so often without an epoch in between is given up.
_MOST_LOSSES = 3


@dataclass
class _Doing:
    """A job that is being done, and the chain it is from."""

    job: Job
    chain: Iterator[Job]
    start: float | None = None
    host: str = ""
    losses: int = 0


class ClusterExecutor:
    """Has the jobs of a study done by a cluster; see `yolo4.compare.running.jobs.Executor`.

    Args:
        site: where the study is.
        share: what each job gets.
        environment: variables of its process.
        shipment: the data that was sent; None: every machine has it at the same path.
        pieces: of the shipment.
    """

    def __init__(
        self,
        site: Site,
        share: Share,
        environment: dict[str, str],
        shipment: Shipment | None = None,
        pieces: "Sequence[ray.ObjectRef]" = (),
    ) -> None:
        self.width = max(1, share.width)
        self._site = site
        self._shipment, self._pieces = shipment, list(pieces)
        self._sends_files = shipment is not None
        self._rows = Rows()
        self._task = _remote_function().options(
            num_cpus=share.cpus, num_gpus=share.gpus, runtime_env={"env_vars": environment}
        )

    def carry_out(
        self, study: Path, chains: Iterable[Iterator[Job]], begun: Begun
    ) -> Iterator[Ended]:
        """See `yolo4.compare.running.jobs.Executor`."""
        import ray

        doing = {self._begin(each, study): each for chain in chains for each in _next_of(chain)}
        try:
            while doing:
                ready, _ = ray.wait(list(doing), timeout=1.0)
                for task in ready:
                    each = doing[task]
                    report = self._hear(task, each)
                    if report is None or report.wants_files:
                        self._sends_files |= report is not None
                        del doing[task]
                        doing[self._begin(each, study)] = each
                        continue
                    if report.files:
                        unpack(report.files, study, each.job.result)
                    self._show(each, report, begun)
                    if report.ended:
                        del doing[task]
                        yield _ended(each, report)
                        for following in _next_of(each.chain):
                            doing[self._begin(following, study)] = following
        finally:
            self._rows.close()

    def _begin(self, each: _Doing, study: Path) -> "ray.ObjectRefGenerator":
        import ray

        job, files, rewrite = each.job, [], None
        if self._shipment:
            job = replace(job, arguments=tuple(map(self._shipment.argument, job.arguments)))
            rewrite = self._shipment.rewrite
        if self._sends_files:
            files.append(ray.put(pack(study, [*job.reads, job.folder], rewrite)))
        return self._task.remote(
            pickle.dumps((self._site, job, self._shipment)), files, self._pieces
        )

    def _hear(self, task: "ray.ObjectRefGenerator", each: _Doing) -> Report | None:
        """The next report of a task; None if its machine was lost."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            report = ray.get(next(task))
        except RayTaskError:
            raise
        except (RayError, StopIteration) as error:
            return self._lose(each, error)
        if not isinstance(report, Report):
            host, reason = report
            raise UserError(
                f"on {host}: {reason}; every machine needs this project at {ROOT}, and its "
                "requirements"
            )
        if report.progress:
            each.losses = 0
        return report

    def _lose(self, each: _Doing, error: Exception) -> Report | None:
        self._rows.remove(each.job)
        each.losses += 1
        reason = str(error).partition("\n")[0] or type(error).__name__
        if each.losses > _MOST_LOSSES:
            return Report(each.host, ended=True, error=ChildKilledError(reason))
        tqdm.write(f"lost: {each.job.name}, on {each.host or 'its machine'}; it goes on elsewhere")
        return None

    def _show(self, each: _Doing, report: Report, begun: Begun) -> None:
        if each.start is None:
            each.start = time.perf_counter()
            begun(each.job, f" on {report.host}")
        each.host = report.host
        if report.ended:
            self._rows.remove(each.job)
        else:
            self._rows.update(each.job, report.host, report.progress)


def _next_of(chain: Iterator[Job]) -> list[_Doing]:
    """The next job of a chain, if it has one."""
    return [_Doing(job, chain) for job in [next(chain, None)] if job]


def _ended(each: _Doing, report: Report) -> Ended:
    if report.error and not isinstance(report.error, ChildKilledError):
        raise report.error
    return Ended(each.job, time.perf_counter() - (each.start or 0.0), report.error)


def _remote_function() -> Any:
    """The function that Ray runs. It travels with its code, to machines that may lack the rest."""
    import ray

    def do(job: bytes, files: list, pieces: list) -> Iterator[Any]:
        import pickle
        import socket

        try:
            from yolo4.compare.cluster.task import do_job

            site, work, shipment = pickle.loads(job)
        except ImportError as error:
            yield socket.gethostname(), str(error)
            return
        yield from do_job(site, work, shipment, files, pieces)

    return ray.remote(num_returns="streaming", max_retries=0)(do)
