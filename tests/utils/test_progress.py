import io
import sys

import pytest

from utils.progress import progress_bar

pytestmark = pytest.mark.quick


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    """The stream that ipykernel puts in place of the usual one; it is no terminal."""

    __module__ = "ipykernel.iostream"


def run_bar(monkeypatch, stdout, stderr, **options):
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar(total=3, desc="doing", **options) as bar:
        bar.update(3)
    return stdout.getvalue(), stderr.getvalue()


def screen(text):
    """The lines that are seen when each carriage return moves to the beginning of its line."""
    seen = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        seen.append(shown.rstrip())
    return seen


def test_a_terminal_has_the_bar_on_standard_error(monkeypatch):
    out, err = run_bar(monkeypatch, Terminal(), Terminal())
    assert out == ""
    assert screen(err)[0].startswith("doing: 100%")


def test_a_file_has_no_bar(monkeypatch):
    assert run_bar(monkeypatch, io.StringIO(), io.StringIO()) == ("", "")


@pytest.mark.parametrize("stream", [Terminal, Notebook])
def test_no_bar_unless_it_is_to_be_shown(monkeypatch, stream):
    assert run_bar(monkeypatch, stream(), stream(), shown=False) == ("", "")


def test_a_removed_bar_of_a_notebook_makes_room_for_the_next_line(monkeypatch):
    stdout = Notebook()
    out, err = run_bar(monkeypatch, stdout, Notebook(), leave=False)
    assert "doing: " in out
    assert err == ""
    assert screen(out + "epoch 1/8: loss 0.1\n") == ["epoch 1/8: loss 0.1", ""]


def test_the_stream_of_a_notebook_is_that_of_ipykernel():
    iostream = pytest.importorskip("ipykernel.iostream")
    assert iostream.OutStream.__module__ == Notebook.__module__
