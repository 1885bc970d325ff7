"""Errors that a user can fix, and the versions of installed packages that messages name."""

import contextlib
import functools
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path


class UserError(Exception):
    """Invalid input, described on one line.

    The message has the form `<file>[, line N|, object N]: <what was found>; <what is expected>`.
    The command-line scripts print it without a traceback and exit with status 2.
    """


class FileError(UserError):
    """A file cannot be read, or does not hold what it should.

    Attributes:
        path: the file.
        detail: what was found, and what is expected.
        where: the place in the file ("line 3"), empty for the whole file.
    """

    def __init__(self, path: str | Path, detail: str, where: str = "") -> None:
        super().__init__(f"{path}, {where}: {detail}" if where else f"{path}: {detail}")
        self.path = path
        self.detail = detail
        self.where = where

    def __reduce__(self) -> tuple:  # processes send it to each other
        return type(self), (self.path, self.detail, self.where)


def metadata_version(module: str) -> str | None:
    """Find the version of the package that provides a module in its metadata, None without any.

    The module is not imported, and its package may have any name: `tensorflow` comes from
    tensorflow, tensorflow-cpu or tf-nightly, `cv2` from opencv-python or opencv-python-headless.
    """
    # This import is slow, and commands that only print their help do not need it.
    from importlib.metadata import PackageNotFoundError, version

    with contextlib.suppress(PackageNotFoundError):
        return version(module)
    packages = _packages_by_module(tuple(sys.path)).get(module)
    return version(packages[0]) if packages else None


@functools.cache
def _packages_by_module(folders: tuple[str, ...]) -> Mapping[str, list[str]]:
    """The packages in `sys.path` by the modules they provide, for which all of them are read."""
    from importlib.metadata import packages_distributions

    return packages_distributions()


def module_version(module: str) -> str:
    """Return `metadata_version(module)`, or the version the module states if it has no metadata."""
    return metadata_version(module) or importlib.import_module(module).__version__


def is_installed(module: str) -> bool:
    """Whether a module can be imported or has metadata; it is not imported."""
    return importlib.util.find_spec(module) is not None or metadata_version(module) is not None


def missing_system_library(error: ImportError) -> str | None:
    """Describe how to install a shared library that OpenCV needs; None for any other error.

    OpenCV's standard wheel needs desktop libraries, which servers and slim containers lack.
    """
    library = re.match(r"(\S+): cannot open shared object file", str(error))
    if error.name != "cv2" or library is None:
        return None
    version = metadata_version("cv2")
    package = f"opencv-python-headless=={version}" if version else "opencv-python-headless"
    return (
        f"OpenCV needs {library[1]}, which this system does not have; either replace OpenCV with "
        f"its build without windows, `pip install --force-reinstall --no-deps {package}`, or "
        "install the library (Debian, Ubuntu: `apt-get install libgl1 libglib2.0-0`)"
    )
