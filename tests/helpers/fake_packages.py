"""Installed packages by their metadata alone."""

import sys
from pathlib import Path


def only_packages(folder: Path, packages: dict[str, tuple[str, str]], monkeypatch) -> None:
    """Until the test ends, these are the installed packages.

    What is imported already stays imported; of installed modules nothing else can be imported.

    Args:
        folder: for the metadata; made.
        packages: module and version by the package's name.
        monkeypatch: of the test.
    """
    for name, (module, version) in packages.items():
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "top_level.txt").write_text(f"{module}\n")
    others = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", [str(folder), *others])
