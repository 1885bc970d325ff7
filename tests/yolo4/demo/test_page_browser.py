"""The page in Chromium: uploads, sliders, camera and video; what is asked for, sent and kept."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.browser import SCREENS, started_browser
from tests.helpers.made_run import SIZE, some_images, write_run
from utils.image import read_image
from utils.postprocess import PREDICTION
from yolo4.demo.seen import count_words
from yolo4.inference.detector import Detector
from yolo4.predict.frames import load_frame, read_frames
from yolo4.predict.sources import find_sources
from yolo4.predict.writers import video_file

CLASSES = {"focal": ("apple", "leaf", "key"), "bce": ("<b>cell</b>", "${1+1}")}
ARGUMENTS = ("--run", *CLASSES, "--port", "0", "--backend", "keras")
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# Serves the page, and writes down to whom the process connects.
SERVE = """
import runpy, sys
report = open(sys.argv[1], "a", buffering=1)
def hear(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        print(arguments[1][0], file=report)
    elif event == "socket.getaddrinfo":
        print(arguments[0], file=report)
sys.addaudithook(hear)
sys.argv[1:] = ["demo", *sys.argv[2:]]
runpy.run_module("yolo4", run_name="__main__", alter_sys=True)
"""
PLAYED = """async video => {
    await video.play();
    await new Promise(done => video.addEventListener("timeupdate", done, {once: true}));
    return [video.videoWidth, video.videoHeight, video.currentTime > 0];
}"""


class Server:
    """The command, and what it has connected to."""

    def __init__(self, folder):
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.report = folder / "connections"
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.report), *ARGUMENTS],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
            | {"GRADIO_ALLOWED_PATHS": "/", "HTTP_PROXY": "http://203.0.113.1:9"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = iter(self.process.stdout.readline, "")
        self.address = next((m[0] for line in lines if (m := re.search(r"http:\S+", line))), None)
        assert self.address, self.process.stderr.read()

    def ask(self, method, path, body=None, **headers):
        """Status and content of an answer."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        connection.request(method, path, body, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    def detect(self, path):
        """What the page answers to an upload with this path."""
        file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
        event = {"data": [file, 0.3, 0.45], "fn_index": 0, "session_hash": "s"}
        status, content = self.ask("POST", "/gradio_api/queue/join", json.dumps(event))
        assert status == 200, content
        return self.ask("GET", "/gradio_api/queue/data?session_hash=s")[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    for seed, (name, classes) in enumerate(CLASSES.items()):
        write_run(folder / name, classes, seed)
    Image.fromarray(some_images(1)[0]).save(folder / "a.png")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    with video_file(folder / "clip.avi", 10, SIZE[::-1]) as write:
        for image in some_images(8):
            write(image)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server(folder)
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.fixture(scope="module")
def browser():
    with started_browser(*FAKE_CAMERA) as browser:
        yield browser


@pytest.fixture
def open_page(browser, server):
    """Opens the page; fails if it made a request to another server or logged an error."""
    requests, complaints, contexts = [], [], []

    def opened(screen="desktop", scheme="light"):
        width, height = SCREENS[screen]
        view = {"width": width, "height": height}
        context = browser.new_context(viewport=view, color_scheme=scheme, permissions=["camera"])
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(server.address)
        page.get_by_text("Score threshold").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [u for u in requests if not u.startswith((server.address, "data:", "blob:"))] == []
    assert complaints == []


def upload(page, file, number=0):
    page.locator("input[type=file]").nth(number).set_input_files(file)


def words(page):
    return page.locator(".pictures p").all_text_contents()


def test_boxes_of_both_runs_follow_the_sliders_as_a_detector_would(open_page, folder):
    page = open_page()
    upload(page, folder / "a.png")
    page.locator(".pictures img").first.wait_for()
    assert page.locator(".pictures figcaption").all_text_contents() == list(CLASSES)
    image = read_image(folder / "a.png")
    predictions = [
        Detector.from_run(folder / name, backend="keras").predict(image) for name in CLASSES
    ]
    for score, nms in ((0.3, 0.45), (0.1, 0.45), (0.1, 0.9), (1, 0.9)):
        for slider, value in enumerate((score, nms)):
            page.locator("input[type=range]").nth(slider).fill(str(value))
        settings = replace(PREDICTION, score_threshold=score, nms_threshold=nms)
        expected = [
            count_words(prediction.select(settings), names)
            for prediction, names in zip(predictions, CLASSES.values(), strict=True)
        ]
        ended = time.monotonic() + 20
        while words(page) != expected and time.monotonic() < ended:
            page.wait_for_timeout(50)
        assert words(page) == expected
    assert expected == ["nothing found"] * 2
    assert page.locator(".pictures b").count() == 0


def test_a_damaged_file_gives_the_line_of_predict(open_page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (source,) = find_sources(["cut.jpg"], folder / "output")
    (frame,) = read_frames([source], threading.Event())
    page = open_page()
    upload(page, folder / "cut.jpg")
    problem = page.locator(".problem")
    problem.wait_for()
    assert problem.text_content() == load_frame(frame).error
    page.get_by_label("Remove Image").click()
    upload(page, folder / "a.png")
    page.locator(".pictures img").first.wait_for()
    assert problem.count() == 0


def test_the_camera_takes_a_picture(open_page):
    page = open_page()
    page.get_by_label("Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
    page.get_by_label("capture photo").click()
    picture = page.locator(".pictures img").first
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100


def test_a_video_is_played_with_the_runs_side_by_side(open_page, folder):
    page = open_page()
    page.get_by_role("tab", name="Video").click()
    upload(page, folder / "clip.avi", 1)
    page.get_by_role("button", name="Find objects").click()
    video = page.locator("figure.video video")
    video.wait_for()
    assert video.evaluate(PLAYED) == [2 * SIZE[1], SIZE[0], True]
    assert page.locator("figure.video figcaption span").all_text_contents() == list(CLASSES)


@pytest.mark.parametrize(("screen", "scheme"), [("phone", "light"), ("desktop", "dark")])
def test_nothing_is_wider_than_the_screen(open_page, folder, screen, scheme):
    page = open_page(screen, scheme)
    upload(page, folder / "a.png")
    page.locator(".pictures img").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == SCREENS[screen][0]
    lefts = page.locator(".pictures img").evaluate_all("all => all.map(i => i.offsetLeft)")
    assert (lefts[0] < lefts[1]) == (screen == "desktop")


def test_no_file_of_the_machine_is_given_away(server, folder):
    inside = f"{folder}/focal/config.json"
    for path in (inside, "/etc/passwd", f"{server.temporary}/../focal/config.json"):
        status, content = server.ask("GET", f"/gradio_api/file={path}")
        assert status in (403, 404), content
        assert "network" not in content
        assert "root:" not in content
    answer = server.detect(f"{folder}/a.png")
    assert "process_completed" in answer
    assert "data:image" not in answer


def test_nothing_is_fetched_from_elsewhere(server):
    assert "data:image" not in server.detect("http://203.0.113.1/a.png")
    assert set(server.report.read_text().split()) <= {"127.0.0.1", "localhost"}


def test_another_name_of_the_server_is_refused(server):
    assert server.ask("GET", "/", Host="evil.example")[0] == 400
    assert server.ask("GET", "/")[0] == 200


def test_a_large_upload_is_refused_and_not_kept(server):
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = head + bytes(100 * 1024**2 + 1) + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    status, content = server.ask("POST", "/gradio_api/upload", body, **kind)
    assert status == 413, content
    assert all(f.stat().st_size < 10**7 for f in server.temporary.rglob("*"))


def test_sigterm_ends_the_program_and_leaves_no_file(server):
    assert list(server.temporary.rglob("a.png"))
    server.process.send_signal(signal.SIGTERM)
    _, errors = server.process.communicate(timeout=30)
    # Before it are the refusals of the tests above, and what FFmpeg says.
    assert (server.process.returncode, errors.splitlines()[-1]) == (143, "interrupted")
    assert list(server.temporary.iterdir()) == []
