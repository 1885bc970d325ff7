"""The progress of all runs that are being done, in one view."""

from tqdm import tqdm

from yolo4.compare.running.jobs import Job
from yolo4.train.state.progress import Progress

_ROW = "{desc}: {percentage:3.0f}%|{bar}| epoch {n_fmt}/{total_fmt}{postfix}"


class Rows:
    """In a terminal a row for each job that is being done; elsewhere a line for each epoch."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}
        self._epochs: dict[str, int] = {}

    def update(self, job: Job, host: str, progress: Progress | None) -> None:
        """Show how far a job is; its row appears with the first call."""
        bar = self._bars.get(job.name)
        if bar is None:
            bar = tqdm(total=job.epochs, desc=job.name, bar_format=_ROW, leave=False, disable=None)
            self._bars[job.name] = bar
        epoch = progress.epoch if progress else 0
        score = f"mAP {progress.best_map:.3f} " if progress and progress.best_map >= 0 else ""
        bar.n = epoch
        bar.set_postfix_str(f"{score}on {host}")
        if bar.disable and epoch > self._epochs.get(job.name, 0):
            tqdm.write(f"{job.name}: epoch {epoch}/{job.epochs} {score}on {host}")
        self._epochs[job.name] = epoch

    def remove(self, job: Job) -> None:
        """Remove the row of a job that is no longer being done."""
        bar = self._bars.pop(job.name, None)
        if bar is not None:
            bar.close()

    def close(self) -> None:
        """Remove all rows."""
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
