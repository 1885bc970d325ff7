"""Exports the network of a run once, for the backends that run it without Keras."""

import dataclasses
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from utils.errors import FileError, UserError, module_version
from utils.files.lock import locked
from utils.files.reading import open_regular, read_json, reading
from utils.files.space import written_by_library
from utils.files.writing import temporary_folder, write_atomically
from utils.process.children import end_with_lifeline, lifeline
from yolo4.cli import clean_exit
from yolo4.environment.streams import prepare_streams
from yolo4.formats import MODEL_FORMATS, ModelFormat
from yolo4.run import Run, open_run

# Settings of the network that the key contains by their results: the weights and the anchors.
_REPLACED_BY_RESULTS = {"weights", "fresh_heads", "anchors"}
_KEY_FILE, _FILES = "key.json", "files"
_EXPORT_VERSION = 2  # to be raised if the network of the same run is exported differently
_WAIT = 600.0  # seconds; a network is written in less, unless the machine has other work


def cached_model(run: Run, model_format: ModelFormat, any_size: bool = False) -> Path:
    """The exported network of a run; it is written if it is missing or the run has changed.

    Args:
        run: a run with weights.
        model_format: the format to export to.
        any_size: whether images may have another size than the run's input.

    Returns:
        The model's file, in `engines/` in the run.

    Raises:
        UserError: the run has no weights, they do not fit its settings, its folder cannot be
            written, TensorFlow is not installed, or the export failed.
    """
    name = model_format.name + ("_any_size" if any_size else "")

    def write(folder: Path) -> None:
        _export_in_subprocess(run, model_format, folder, any_size)

    folder = run.folder / "engines" / name
    return written_once(folder, cache_key(run, any_size), write) / model_format.file


def written_once(folder: Path, key: dict[str, Any], write: Callable[[Path], None]) -> Path:
    """A folder of files that are written if they are missing, damaged or belong to another key.

    Args:
        folder: in `engines/` in the run.
        key: what the files depend on, in JSON's types.
        write: writes the files into a folder, which then takes this one's place.

    Returns:
        `folder`.

    Raises:
        UserError: the folder cannot be written.
    """
    if _stored_key(folder) == key:
        return folder
    try:
        folder.parent.mkdir(exist_ok=True)
        with locked(folder.parent, wait=_WAIT):
            if _stored_key(folder) != key:  # else another process has written it meanwhile
                _write(folder, key, write)
    except OSError as error:
        raise UserError(
            f"the network cannot be written to {folder}: {error}; --backend keras needs no file"
        ) from None
    return folder


def cache_key(run: Run, any_size: bool = False) -> dict[str, Any]:
    """What the exported network depends on, in JSON's types.

    It contains every setting of the group "network", so that a new one is part of it without a
    change here.
    """
    with run.weights().open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    config = run.config()
    fields = dataclasses.fields(config)
    names = {field.name for field in fields if field.metadata.get("group") == "network"}
    key = {
        "weights": weights,
        "network": {name: getattr(config, name) for name in names - _REPLACED_BY_RESULTS},
        "anchors": run.anchors().tolist(),
        "classes": len(run.class_names()),
        "any_size": any_size,
        "keras": module_version("keras"),
        "export": _EXPORT_VERSION,
    }
    return json.loads(json.dumps(key))


def _write(folder: Path, key: dict[str, Any], write: Callable[[Path], None]) -> None:
    print(f"writing the network for {folder.name}, once, to {folder}")
    with temporary_folder(folder.parent) as written:
        write(written)
        stored = key | {_FILES: _digests(written)}
        write_atomically(written / _KEY_FILE, json.dumps(stored, indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        written.replace(folder)


def _export_in_subprocess(
    run: Run, model_format: ModelFormat, folder: Path, any_size: bool
) -> None:
    """Export without importing TensorFlow here, which takes seconds and starts threads."""
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"TensorFlow, which writes the network for {model_format.name}, is not installed; "
            "--backend keras does without"
        )
    root = str(Path(__file__).parents[2])
    python_path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    arguments = [str(run.folder), model_format.name, str(folder), *(["any size"] * any_size)]
    with lifeline() as stdin:
        done = subprocess.run(
            [sys.executable, "-m", __name__, *arguments],
            env={**os.environ, "PYTHONPATH": python_path, "KERAS_BACKEND": "tensorflow"},
            stdin=stdin,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            check=False,
        )
    if done.returncode:
        last_line = done.stderr.strip().rpartition("\n")[2]
        if last_line.startswith("error: "):
            raise UserError(last_line.removeprefix("error: "))
        status = f"writing the network for {model_format.name} ended with status {done.returncode}"
        # What a killed process wrote last is not why it ended.
        reason = f": {last_line}" if last_line and done.returncode > 0 else ""
        raise UserError(status + reason) from RuntimeError(done.stderr)


def _export(run_folder: str, format_name: str, folder: str, any_size: str = "") -> None:
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.inference.keras_network import engine_network

    model_format = MODEL_FORMATS[format_name]
    network = engine_network(open_run(run_folder), bool(any_size))
    with written_by_library(Path(folder)):
        model_format.write(network, Path(folder) / model_format.file)


def _stored_key(folder: Path) -> Any:
    """The key of an exported network; None if there is none, or one of its files is damaged."""
    file = folder / _KEY_FILE
    try:
        stored = read_json(file)
        with reading(file, "the key of an exported network"):
            written = stored.pop(_FILES)
            return stored if written == _digests(folder, written) else None
    except FileError:
        return None


def _digests(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """The SHA-256 of the files of these names, or else of all files."""
    names = sorted(path.name for path in folder.iterdir()) if names is None else names
    digests = {}
    for name in names:
        with open_regular(folder / Path(name).name) as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


if __name__ == "__main__":
    end_with_lifeline()
    prepare_streams()
    with clean_exit():
        _export(*sys.argv[1:])
