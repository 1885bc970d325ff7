"""Downloads the weights that were released with a network, once."""

import hashlib
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from tqdm import tqdm

from nets.networks import NETWORKS
from nets.networks.spec import Release
from utils.errors import UserError
from utils.files.lock import locked
from utils.files.writing import MODEL_DATA
from utils.progress import progress_bar

_TIMEOUT = 60  # seconds without data
_WAIT = 3600.0  # seconds, while another process downloads
_CHUNK = 1 << 18  # bytes


RELEASED = {release.name: release for network in NETWORKS.values() for release in network.releases}
NETWORK_OF_RELEASE = {
    release.name: network for network in NETWORKS.values() for release in network.releases
}


def released_file(name: str) -> Path:
    """The file of a release in `model_data/`, downloaded if it is not there yet.

    An interrupted download is resumed. The file gets its final name once its SHA-256 is verified,
    and every call verifies it again.

    Args:
        name: a key of `RELEASED`.

    Raises:
        UserError: the file cannot be downloaded, or its SHA-256 is wrong; the message says how to
            get it by hand.
    """
    release = RELEASED[name]
    path = MODEL_DATA / release.file
    by_hand = f"get {release.url} by other means and put it at {path}"
    if path.is_file():
        if (digest := sha256_of(path)) != release.sha256:
            raise UserError(
                f"{path}: its SHA-256 is {digest}, but the release's is {release.sha256}; "
                f"remove it to download it again, or {by_hand}"
            )
        return path
    otherwise = f"get {release.url} by other means and name the file with --weights"
    with locked(MODEL_DATA, _WAIT, otherwise):
        if not path.is_file():  # else another process has downloaded it meanwhile
            _download_verified(release, path, by_hand)
    return path


def _download_verified(release: Release, path: Path, by_hand: str) -> None:
    # .gitignore covers this name, as it covers the final one.
    partial = path.with_name(f"partial.{release.file}")
    _download(release, partial, by_hand)
    if (digest := sha256_of(partial)) != release.sha256:
        partial.unlink()
        raise UserError(
            f"{release.url}: the download's SHA-256 is {digest}, but the release's is "
            f"{release.sha256}, so it was deleted; try again, or {by_hand}"
        )
    partial.replace(path)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(release: Release, partial: Path, by_hand: str) -> None:
    """Fetch what is missing; after a broken connection, retry as long as each try brings data."""
    have = _size(partial)
    print(f"downloading {release.url}")
    with progress_bar(
        desc=release.file, total=release.size, initial=have, unit="B", unit_scale=True
    ) as bar:
        while have < release.size:
            problem: Exception | str = "the connection ended early"
            try:
                partial.parent.mkdir(parents=True, exist_ok=True)
                _fetch_rest(release, partial, have, bar)
            except (OSError, HTTPException) as error:
                problem = error
            before, have = have, _size(partial)
            if have <= before:
                raise UserError(f"{release.url}: {problem}; try again, or {by_hand}")


def _fetch_rest(release: Release, partial: Path, start: int, bar: tqdm) -> None:
    """Append the bytes from `start` on, or fetch the whole file if the server ignores ranges.

    Raises:
        OSError: there is no connection, or the server offers another file.
        HTTPException: the response is not HTTP.
    """
    ranges = {"Range": f"bytes={start}-"} if start else {}
    request = Request(release.url, headers=ranges)
    with urlopen(request, timeout=_TIMEOUT) as response:
        if response.status != 206:  # Partial Content
            start = 0
        size = response.headers["Content-Length"]
        # A login page, for example, must not become part of the file.
        if size is None or int(size) != release.size - start:
            offered = "an unknown number of" if size is None else size
            raise OSError(f"the server offers {offered} bytes, not {release.size - start}")
        with partial.open("ab" if start else "wb") as file:
            bar.n = start
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
