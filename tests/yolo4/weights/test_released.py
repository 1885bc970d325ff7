"""The download of released weights, from a server of the test's own."""

import hashlib
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.helpers import ROOT
from utils.errors import UserError
from yolo4.weights import released
from yolo4.weights.released import RELEASED, Release, released_file

DATA = np.random.default_rng(0).bytes(1_000_000)


class Handler(BaseHTTPRequestHandler):
    """Sends the server's `data`, as its other attributes say, and notes what was asked for."""

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
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server of one released file, and an empty folder to work in."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.asked, server.cuts = DATA, [], []
    server.knows_ranges, server.tells_length, server.status = True, True, None
    release = Release("some.weights", len(DATA), hashlib.sha256(DATA).hexdigest())
    monkeypatch.setattr(released, "RELEASED", {"some": release})
    monkeypatch.setattr(released, "SOURCE", f"http://127.0.0.1:{server.server_port}/files")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def files():
    return sorted(path.name for path in Path("model_data").iterdir())


def test_a_file_is_downloaded_once_with_a_bar(server, capsys):
    path = released_file("some")
    assert path == Path("model_data/some.weights")
    assert path.read_bytes() == DATA
    assert files() == ["some.weights"]
    assert "some.weights: 100%" in capsys.readouterr().err
    assert released_file("some") == path
    assert server.asked == [("/files/some.weights", None)]
    assert not capsys.readouterr().err


def test_a_connection_that_breaks_is_gone_on_with(server):
    server.cuts = [300_000, 10]
    assert released_file("some").read_bytes() == DATA
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=300010-"]


def test_what_an_earlier_command_left_is_gone_on_with(server, capsys):
    server.cuts = [700_000, 0]
    with pytest.raises(UserError, match="the connection ended early; try again, or get http"):
        released_file("some")
    assert files() == ["partial.some.weights"]
    assert released_file("some").read_bytes() == DATA
    assert server.asked[-1][1] == "bytes=700000-"
    assert files() == ["some.weights"]


def test_a_server_without_ranges_sends_all_again(server):
    server.knows_ranges = False
    server.cuts = [300_000]
    assert released_file("some").read_bytes() == DATA
    assert len(server.asked) == 2


def test_a_whole_file_that_was_not_yet_checked_is_not_fetched_again(server):
    Path("model_data").mkdir()
    Path("model_data/partial.some.weights").write_bytes(DATA)
    assert released_file("some").read_bytes() == DATA
    assert not server.asked


def test_a_wrong_hash_is_told_and_the_file_thrown_away(server):
    server.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(UserError) as caught:
        released_file("some")
    text = str(caught.value)
    assert "\n" not in text
    for part in (server.data, DATA):
        assert hashlib.sha256(part).hexdigest() in text
    assert f"get {released.SOURCE}/some.weights by other means and put it at" in text
    assert text.endswith(str(Path("model_data/some.weights")))
    assert files() == []


def test_a_file_put_there_by_hand_is_checked_and_kept(server):
    Path("model_data").mkdir()
    path = Path("model_data/some.weights")
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
    server, left_before, tells_length, offered
):
    Path("model_data").mkdir()
    Path("model_data/partial.some.weights").write_bytes(DATA[:left_before])
    server.data, server.knows_ranges = b"<html>Please log in</html>", False
    server.tells_length = tells_length
    message = f"{offered} bytes are offered there, not 1000000; try again, or"
    with pytest.raises(UserError, match=message):
        released_file("some")
    assert Path("model_data/partial.some.weights").read_bytes() == DATA[:left_before]


def test_a_file_that_is_not_there_is_told(server):
    server.status = 404
    with pytest.raises(UserError, match=r"some\.weights: HTTP Error 404: .*; try again, or get"):
        released_file("some")


def test_no_network_is_told_with_what_to_do_by_hand(server, monkeypatch):
    monkeypatch.setattr(released, "SOURCE", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/some\.weights: .*refused") as error:
        released_file("some")
    assert "put it at model_data" in str(error.value)


def test_no_answer_is_told(server, monkeypatch):
    monkeypatch.setattr(released, "SOURCE", "http://does-not-exist.invalid")
    with pytest.raises(UserError, match=r"does-not-exist\.invalid/some\.weights: .*; try again"):
        released_file("some")


@pytest.mark.parametrize("release", RELEASED.values(), ids=list(RELEASED))
def test_a_release_stays_out_of_git_while_it_comes_and_afterwards(release):
    root = ROOT
    names = [f"model_data/{prefix}{release.file}" for prefix in ("", "partial.")]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *names], cwd=root, capture_output=True, text=True
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == names


def test_the_releases_are_of_whole_numbers_of_weights():
    # A header of 20 bytes, then float32; the whole network of 80 classes has 64,429,405 of them.
    assert RELEASED["yolov4"].size == 20 + 4 * 64_429_405
    assert (RELEASED["yolov4.conv.137"].size - 20) % 4 == 0
