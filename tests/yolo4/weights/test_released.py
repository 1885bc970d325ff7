"""The download of released weights, from a local server."""

import hashlib
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import pytest

from nets.networks.spec import Release
from tests.helpers import ROOT
from utils.errors import UserError
from yolo4.weights import released
from yolo4.weights.released import RELEASED, released_file

pytestmark = pytest.mark.quick

DATA = np.random.default_rng(0).bytes(1_000_000)


class Handler(BaseHTTPRequestHandler):
    """Sends the server's `data`, as its other attributes say, and records the requests."""

    def do_GET(self):
        server = self.server
        asked = self.headers["Range"]
        server.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        start *= server.knows_ranges
        self.send_response(server.status or (206 if start else 200))
        if server.tells_length:
            self.send_header("Content-Length", str(len(server.data) - start))
        if start:
            last = len(server.data) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.data)}")
        self.end_headers()
        part = server.data[start:]
        self.wfile.write(part[: server.cuts.pop(0)] if server.cuts else part)

    def log_message(self, *_):
        """Say nothing: the base class prints a line for each request."""


def offer_at(monkeypatch, folder):
    """Make a folder of a server the place of the only released file."""
    digest = hashlib.sha256(DATA).hexdigest()
    release = Release("some", f"{folder}/some.weights", len(DATA), digest)
    monkeypatch.setattr(released, "RELEASED", {"some": release})


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server of one released file, and an empty `model_data`."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.asked, server.cuts = DATA, [], []
    server.knows_ranges, server.tells_length, server.status = True, True, None
    offer_at(monkeypatch, f"http://127.0.0.1:{server.server_port}/files")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(released, "MODEL_DATA", tmp_path / "model_data")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model_data(server, tmp_path):
    return tmp_path / "model_data"


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_file_is_downloaded_once_with_a_bar(server, model_data, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    path = released_file("some")
    assert path == model_data / "some.weights"
    assert path.read_bytes() == DATA
    assert files(model_data) == ["some.weights"]
    assert "some.weights: 100%" in capsys.readouterr().err
    assert released_file("some") == path
    assert server.asked == [("/files/some.weights", None)]
    assert not capsys.readouterr().err


def test_a_broken_connection_is_resumed(server):
    server.cuts = [300_000, 10]
    assert released_file("some").read_bytes() == DATA
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=300010-"]


def test_the_download_of_an_earlier_command_is_resumed(server, model_data):
    server.cuts = [700_000, 0]
    with pytest.raises(UserError, match="the connection ended early; try again, or get http"):
        released_file("some")
    assert files(model_data) == ["partial.some.weights"]
    assert released_file("some").read_bytes() == DATA
    assert server.asked[-1][1] == "bytes=700000-"
    assert files(model_data) == ["some.weights"]


def test_a_server_without_ranges_sends_all_again(server):
    server.knows_ranges = False
    server.cuts = [300_000]
    assert released_file("some").read_bytes() == DATA
    assert len(server.asked) == 2


def test_a_complete_download_that_was_not_verified_is_not_fetched_again(server, model_data):
    model_data.mkdir()
    (model_data / "partial.some.weights").write_bytes(DATA)
    assert released_file("some").read_bytes() == DATA
    assert not server.asked


def test_a_wrong_hash_is_reported_and_the_file_deleted(server, model_data):
    server.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(UserError) as caught:
        released_file("some")
    text = str(caught.value)
    assert "\n" not in text
    for part in (server.data, DATA):
        assert hashlib.sha256(part).hexdigest() in text
    assert f"get {released.RELEASED['some'].url} by other means and put it at" in text
    assert text.endswith(str(model_data / "some.weights"))
    assert files(model_data) == []


def test_a_file_put_there_by_hand_is_verified_and_kept(server, model_data):
    model_data.mkdir()
    path = model_data / "some.weights"
    path.write_bytes(DATA)
    assert released_file("some") == path
    path.write_bytes(DATA[:-1])
    with pytest.raises(UserError, match=r"some\.weights: its SHA-256 is .* remove it to download"):
        released_file("some")
    assert path.read_bytes() == DATA[:-1]
    assert not server.asked


@pytest.mark.parametrize(
    ("tells_length", "offered"), [(True, "26"), (False, "an unknown number of")]
)
@pytest.mark.parametrize("left_before", [0, 1000])
def test_another_page_in_its_place_does_not_become_part_of_it(
    server, model_data, left_before, tells_length, offered
):
    model_data.mkdir()
    (model_data / "partial.some.weights").write_bytes(DATA[:left_before])
    server.data, server.knows_ranges = b"<html>Please log in</html>", False
    server.tells_length = tells_length
    message = f"the server offers {offered} bytes, not 1000000; try again, or"
    with pytest.raises(UserError, match=message):
        released_file("some")
    assert (model_data / "partial.some.weights").read_bytes() == DATA[:left_before]


def test_a_file_that_the_server_does_not_have_is_reported(server):
    server.status = 404
    with pytest.raises(UserError, match=r"some\.weights: HTTP Error 404: .*; try again, or get"):
        released_file("some")


def test_without_network_the_message_says_what_to_do_by_hand(server, model_data, monkeypatch):
    offer_at(monkeypatch, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/some\.weights: .*refused") as error:
        released_file("some")
    assert f"put it at {model_data / 'some.weights'}" in str(error.value)


def test_a_checkout_that_cannot_be_written_takes_the_file_elsewhere(server, model_data):
    model_data.parent.mkdir(exist_ok=True)
    model_data.touch()  # permissions mean nothing to root
    with pytest.raises(UserError, match=r"cannot be written: .*/some.weights by .* --weights$"):
        released.released_file("some")
    assert server.asked == []


def test_an_unknown_host_is_reported(server, monkeypatch):
    offer_at(monkeypatch, "http://does-not-exist.invalid")
    with pytest.raises(UserError, match=r"does-not-exist\.invalid/some\.weights: .*; try again"):
        released_file("some")


@pytest.mark.parametrize("release", RELEASED.values(), ids=list(RELEASED))
def test_git_ignores_a_release_during_its_download_and_afterwards(release):
    names = [f"model_data/{prefix}{release.file}" for prefix in ("", "partial.")]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *names], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == names


def test_the_releases_are_of_whole_numbers_of_weights():
    # A header of 20 bytes, then float32; the whole network of 80 classes has 64,429,405 of them.
    assert RELEASED["yolov4"].size == 20 + 4 * 64_429_405
    assert (RELEASED["yolov4.conv.137"].size - 20) % 4 == 0
