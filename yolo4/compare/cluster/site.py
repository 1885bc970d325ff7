"""Where a study is, and whether another machine sees it there too."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError

# The checkout that this process runs.
ROOT = Path(__file__).parents[3]
_MARK = ".cluster"


@dataclass(frozen=True)
class Site:
    """A study's place, as its command sees it.

    Attributes:
        working_folder: that of the command; relative paths in the settings begin there.
        folder: the study's, as the command names it.
        token: what a file in the study's folder holds while the command runs.
        sources: a hash of the project's Python files.
    """

    working_folder: str
    folder: str
    token: str
    sources: str

    def is_here(self) -> bool:
        """Whether this machine sees the study's folder: then it is the same file system."""
        with suppress(OSError):
            return Path(self.working_folder, self.folder, _MARK).read_text() == self.token
        return False

    def require_same_sources(self) -> None:
        """Refuse to compute with another version of the project than that of the command.

        Raises:
            UserError: the version differs.
        """
        if hash_of_sources() != self.sources:
            raise UserError(
                f"{ROOT} is another version of this project than on the machine of the command"
            )


@contextmanager
def marked_site(folder: Path) -> Iterator[Site]:
    """Within the block, the folder of a study is marked, so that machines recognize it."""
    mark = folder / _MARK
    site = Site(str(Path.cwd()), str(folder), secrets.token_hex(16), hash_of_sources())
    mark.write_text(site.token)
    try:
        yield site
    finally:
        mark.unlink(missing_ok=True)


def hash_of_sources() -> str:
    """A hash of the project's Python files."""
    found = hashlib.sha256()
    for package in ("nets", "utils", "yolo4"):
        for file in sorted((ROOT / package).rglob("*.py")):
            found.update(f"{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes())
    return found.hexdigest()
