"""Folders of the user, who may have none."""

from pathlib import Path


def home_folder() -> Path | None:
    """The user's home; None for a user number without a name and without `HOME` (`docker -u`)."""
    try:
        return Path.home()
    except RuntimeError:
        return None
