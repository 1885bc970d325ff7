"""The names of processor and GPUs, against what the system's own tools say."""

import subprocess

import pytest

from utils.process import hardware

pytestmark = pytest.mark.quick


def test_the_last_processor_counts(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor : 0\nmodel name\t: Old: slow\n\nprocessor : 1\nmodel name : New\n"
    )
    monkeypatch.setattr(hardware, "_CPUINFO", cpuinfo)
    assert hardware.processor_name() == "New"
    cpuinfo.unlink()
    assert hardware.processor_facts() == {}
    assert hardware.processor_name()


@pytest.mark.parametrize(
    ("visible", "options", "names"),
    [
        (None, [], ["L4", "T4"]),
        ("1,3", ["--id=1,3"], ["L4", "T4"]),
        ("", None, []),
        ("-1", None, []),
    ],
)
def test_only_the_gpus_that_the_process_may_use_are_named(monkeypatch, visible, options, names):
    asked = []

    def run(command, **_):
        asked.append(command[3:])
        return subprocess.CompletedProcess(command, 0, "L4\nT4\n", "")

    monkeypatch.setattr(hardware.shutil, "which", lambda name: name)
    monkeypatch.setattr(hardware.subprocess, "run", run)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware.gpu_names() == names
    assert asked == ([] if options is None else [options])
