"""What takes long to make is made once, also if several processes of pytest-xdist need it."""

import os

from filelock import FileLock


def made_once(tmp_path_factory, name, make):
    """The folder with this name that `make` has filled, here or in another process."""
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder in that of the whole session.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_name(f"{name}.lock")):
        if not folder.exists():
            new = folder.with_name(f"{name}.new")
            new.mkdir(exist_ok=True)
            make(new)
            new.rename(folder)
    return folder
