"""oneDNN is on before TensorFlow is imported, unless the user has decided otherwise."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from yolo4.environment.onednn import (
    allows_amx,
    allows_bfloat16,
    onednn_setting,
    prefer_onednn,
)

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("processor", "given", "setting"),
    [
        ("x86_64", None, "1"),
        ("AMD64", None, "1"),
        ("x86_64", "0", "0"),
        ("arm64", None, "default"),
        ("arm64", "1", "1"),
    ],
)
def test_the_setting_by_processor_and_environment(monkeypatch, processor, given, setting):
    monkeypatch.setattr("platform.machine", lambda: processor)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if given is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given)
    prefer_onednn()
    assert onednn_setting() == setting


@pytest.mark.parametrize(
    ("limit", "bfloat16", "amx"),
    [
        (None, True, True),
        ("default", True, True),
        ("AVX2", False, False),
        ("AVX512_CORE_VNNI", False, False),
        ("avx512_core_bf16", True, False),
        ("AVX512_CORE_FP16", True, False),
        ("AVX512_CORE_AMX", True, True),
        ("AVX10_1_512_AMX", True, True),
        ("AVX10_1_512", True, False),
    ],
)
def test_what_a_limit_of_the_instructions_leaves(monkeypatch, limit, bfloat16, amx):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert (allows_bfloat16(), allows_amx()) == (bfloat16, amx)


def test_a_start_sets_it_for_the_process_and_its_children():
    code = (
        "import os, platform, subprocess, sys\n"
        "platform.machine = lambda: 'x86_64'\n"
        "from yolo4.quiet import quiet_start\n"
        "with quiet_start():\n    assert 'tensorflow' not in sys.modules\n"
        "child = 'import os; print(os.environ[\"TF_ENABLE_ONEDNN_OPTS\"])'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
