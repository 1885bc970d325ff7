"""Exports the network of a run once, for the engines that run it without Keras."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import write_atomically
from utils.installed import module_version
from yolo4.cli import clean_exit
from yolo4.formats.runtimes import FILES
from yolo4.run import Run, open_run

# Settings of a run that its network depends on, beside its weights, anchors and class names.
_SETTINGS = ("input_size", "width", "depth", "scale_x_y", "batch_norm_epsilon")
_EXPORT = 2  # raised where the network of the same run is written otherwise than before


def cached_model(run: Run, form: str) -> Path:
    """The exported network of a run, made where it is missing or its weights have changed.

    Args:
        run: a run with weights.
        form: one of `yolo4.formats.runtimes.FILES`.

    Returns:
        The model's file, under `engines/` in the run.

    Raises:
        UserError: the run has no weights, they do not fit its settings, or its folder cannot be
            written.
    """
    folder, key = run.folder / "engines" / form, _key(run)
    if _stored(folder / "key.json") != key:
        try:
            _write(run, form, folder, key)
        except OSError as error:
            raise UserError(
                f"the network cannot be written to {folder}: {error}; --backend keras needs no file"
            ) from None
    return folder / FILES[form]


def _write(run: Run, form: str, folder: Path, key: dict[str, Any]) -> None:
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{form}") as passing:
        made = Path(passing) / form
        made.mkdir()
        print(f"writing the network for {form}, once, to {folder}")
        _export_in_own_process(run, form, made)
        write_atomically(made / "key.json", json.dumps(key, indent=2) + "\n")
        if _stored(folder / "key.json") == key:
            return  # another process was sooner, and may be reading its files
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)


def _export_in_own_process(run: Run, form: str, folder: Path) -> None:
    """TensorFlow stays out of this process, with the seconds and the threads that it takes."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(run.folder), form, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        if not last.startswith("error: "):  # it was killed, or failed as it should not
            sys.stderr.write(done.stderr)
            last = f"writing the network for {form} ended with status {done.returncode}"
        raise UserError(last.removeprefix("error: "))


def _export(folder: str, form: str, output: str) -> None:
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.export.network import engine_network
        from yolo4.formats.write import write_model

    write_model(engine_network(open_run(folder)), form, Path(output))


def _key(run: Run) -> dict[str, Any]:
    """What the exported network depends on, as JSON gives it back."""
    with run.weights().open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    config = run.config()
    settings = {name: getattr(config, name) for name in _SETTINGS}
    key = {
        "weights": weights,
        **settings,
        "anchors": run.anchors().tolist(),
        "classes": len(run.class_names()),
        "keras": module_version("keras"),
        "export": _EXPORT,
    }
    return json.loads(json.dumps(key))


def _stored(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    with clean_exit():
        _export(*sys.argv[1:])
