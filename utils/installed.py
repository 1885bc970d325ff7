"""What is installed: versions of packages, and what OpenCV does not find on the system."""

import contextlib
import importlib
import re


def metadata_version(module: str) -> str | None:
    """The version of the package that a module comes from, by its metadata; None if it has none.

    The module is not imported, and its package may have any name: `tensorflow` comes from
    tensorflow, tensorflow-cpu or tf-nightly, `cv2` from opencv-python or opencv-python-headless.
    """
    # Here, as a command that only prints its help does not need it.
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    with contextlib.suppress(PackageNotFoundError):
        return version(module)
    packages = packages_distributions().get(module)
    return version(packages[0]) if packages else None


def module_version(module: str) -> str:
    """As `metadata_version`; a module without metadata is imported, and states its version."""
    return metadata_version(module) or importlib.import_module(module).__version__


def missing_system_library(error: ImportError) -> str | None:
    """The message for an OpenCV that does not find a shared library; None for any other error.

    The usual wheel of OpenCV needs libraries of a desktop, which servers and slim containers lack.
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
