"""Exports the network of a run once, for the engines that run it without Keras."""

import hashlib
import json
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from utils.files import write_whole
from yolo4.engines.runtimes import FILES
from yolo4.run import Run

# Settings of a run that its network depends on, beside its weights, anchors and class names.
_SETTINGS = ("input_size", "width", "depth", "scale_x_y", "batch_norm_epsilon")


def cached_model(run: Run, form: str) -> Path:
    """The exported network of a run, made where it is missing or its weights have changed.

    Args:
        run: a run with weights.
        form: one of `yolo4.engines.runtimes.FILES`.

    Returns:
        The model's file, under `engines/` in the run.

    Raises:
        UserError: the run has no weights, or they do not fit its settings.
        OSError: the run's folder cannot be written.
    """
    folder, key = run.folder / "engines" / form, _key(run)
    if _stored(folder / "key.json") != key:
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{form}") as passing:
            made = Path(passing) / form
            made.mkdir()
            print(f"writing the network for {form}, once, to {folder}")
            # TensorFlow stays out of this process, with the seconds and threads that it takes.
            with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
                pool.submit(_export, run, form, made).result()
            write_whole(made / "key.json", json.dumps(key, indent=2) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            made.replace(folder)
    return folder / FILES[form]


def _export(run: Run, form: str, folder: Path) -> None:
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.export.network import engine_network
        from yolo4.export.write import write_model

    write_model(engine_network(run), form, folder)


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
        "keras": version("keras"),
    }
    return json.loads(json.dumps(key))


def _stored(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
