"""Before the page is served: what is missing, where it can be served, and Gradio's settings."""

import os
import socket
import sys
from unittest import mock

import pytest

from tests.helpers.small_weights import write_weights
from utils.anchors import format_anchors
from utils.errors import UserError
from yolo4.cli import parse
from yolo4.config import Config
from yolo4.demo.command import _names, demo
from yolo4.demo.isolation import isolated_gradio
from yolo4.demo.options import DemoOptions
from yolo4.demo.port import free_port
from yolo4.run import Run

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def same_environment():
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def run(tmp_path):
    """A run whose weights make no network."""
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.config_file.write_text(Config().to_json())
    run.classes_file.write_text("apple\n")
    run.anchors_file.write_text(format_anchors(Config().network_spec.anchors))
    write_weights(run.best_weights)
    return run


def test_several_runs_follow_one_flag():
    assert parse(DemoOptions(), "", ["--run", "a", "b"]).run == ("a", "b")
    assert DemoOptions() == DemoOptions(run=(), host="127.0.0.1", port=7860)


def test_without_gradio_one_line_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError) as error:
        demo(DemoOptions(run=(str(run.folder),), port=0))
    assert str(error.value) == "gradio is not installed: pip install -r requirements-demo.txt"


def test_a_port_that_is_in_use_is_refused_before_a_network_starts(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"--host 127.0.0.1 --port {port}: no page can be"):
            demo(DemoOptions(run=(str(run.folder),), port=port))
    assert capsys.readouterr().out == ""
    assert free_port("127.0.0.1", port) == port
    assert free_port("127.0.0.1", 0) > 0


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(UserError, match=r"--host 203.0.113.1 --port 0: no page can be served"):
        free_port("203.0.113.1", 0)  # of RFC 5737, for documentation


def test_runs_are_named_by_their_folders_unless_two_are_equal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b, same = (Run(tmp_path / name) for name in ("x/focal", "x/bce", "y/focal"))
    assert _names([a, b]) == ["focal", "bce"]
    assert _names([a, same]) == [str(a.folder), str(same.folder)]
    assert _names([Run(tmp_path.relative_to(tmp_path))]) == [tmp_path.name]


def test_gradio_sees_none_of_its_variables_and_its_folder_is_removed():
    os.environ |= {"GRADIO_SHARE": "True", "GRADIO_ALLOWED_PATHS": "/"}
    with isolated_gradio() as uploads:
        of_gradio = {n: v for n, v in os.environ.items() if n.startswith("GRADIO_")}
        assert of_gradio == {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(uploads)}
        (uploads / "a").mkdir()
        (uploads / "a" / "upload.jpg").write_bytes(b"a person's picture")
        assert uploads.stat().st_mode & 0o077 == 0
    assert not uploads.exists()
