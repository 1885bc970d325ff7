"""Versions by any package name, and OpenCV on a system without desktop libraries."""

import os
import subprocess
import sys
import types

import pytest

from tests.helpers import ROOT
from tests.helpers.fake_packages import only_packages
from utils.errors import metadata_version, missing_system_library, module_version
from yolo4.cli import clean_exit
from yolo4.config import Config

LIBGL = "libGL.so.1: cannot open shared object file: No such file or directory"
HEADLESS = "pip install --force-reinstall --no-deps opencv-python-headless"
SYSTEM_PACKAGES = "apt-get install libgl1 libglib2.0-0"
COMMANDS = {
    "train": ["train.py"],
    "train, resumed": ["train.py", "--resume", "run"],
    "predict": ["predict.py", "image.png", "--run", "run"],
    "get_map": ["get_map.py", "--run", "run", "--data", "data"],
    "compare": ["compare.py"],
    "convert": ["-m", "yolo4", "convert", "my.weights", "--output", "new"],
    "export": ["-m", "yolo4", "export", "--run", "run", "--format", "onnx"],
}


def libgl_is_missing():
    return ImportError(LIBGL, name="cv2", path="/site-packages/cv2/cv2.abi3.so")


@pytest.mark.quick
@pytest.mark.parametrize("package", ["opencv-python", "opencv-python-headless", "cv2"])
def test_the_version_is_found_by_the_module(tmp_path, monkeypatch, package):
    packages = {"numpy": ("numpy", "2.0.1"), package: ("cv2", "4.12.0.88")}
    only_packages(tmp_path, packages, monkeypatch)
    assert metadata_version("cv2") == module_version("cv2") == "4.12.0.88"
    assert metadata_version("tensorflow") is None


@pytest.mark.quick
def test_a_module_without_metadata_states_its_version(tmp_path, monkeypatch):
    only_packages(tmp_path, {}, monkeypatch)
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="4.6.0"))
    assert module_version("cv2") == "4.6.0"


@pytest.mark.quick
@pytest.mark.parametrize("library", ["libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0"])
def test_a_missing_library_is_reported_with_both_solutions(tmp_path, monkeypatch, library):
    only_packages(tmp_path, {"opencv-python": ("cv2", "4.12.0.88")}, monkeypatch)
    error = ImportError(LIBGL.replace("libGL.so.1", library), name="cv2")
    message = missing_system_library(error)
    assert f"OpenCV needs {library}, which" in message
    assert f"`{HEADLESS}==4.12.0.88`" in message
    assert f"`{SYSTEM_PACKAGES}`" in message
    assert "\n" not in message


@pytest.mark.quick
def test_without_metadata_the_message_has_no_version(tmp_path, monkeypatch):
    only_packages(tmp_path, {}, monkeypatch)
    assert f"`{HEADLESS}`" in missing_system_library(libgl_is_missing())


@pytest.mark.quick
def test_a_command_ends_with_the_message_and_status_2(capsys):
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise libgl_is_missing()
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: {missing_system_library(libgl_is_missing())}\n"


@pytest.mark.quick
@pytest.mark.parametrize(
    "error",
    [
        ImportError(LIBGL.replace("libGL", "libhdf5"), name="h5py._errors"),
        ImportError("numpy.core.multiarray failed to import", name="cv2"),
        ModuleNotFoundError("No module named 'cv2'", name="cv2"),
        ImportError("cannot import name 'train' from 'yolo4.train.loop'", name="yolo4.train.loop"),
    ],
    ids=str,
)
def test_another_import_error_is_not_hidden(error):
    with pytest.raises(ImportError) as caught, clean_exit():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_every_command_reports_it_in_one_line(tmp_path, arguments):
    package = tmp_path / "path" / "cv2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise ImportError({LIBGL!r}, name='cv2')\n")
    (tmp_path / "image.png").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(Config(data=("data",)).to_json())
    if arguments[0] != "-m":
        arguments = [str(ROOT / arguments[0]), *arguments[1:]]
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: OpenCV needs libGL.so.1, which")
    assert f"{HEADLESS}=={metadata_version('cv2')}`" in line
    assert SYSTEM_PACKAGES in line
    assert not (tmp_path / "output").exists()
