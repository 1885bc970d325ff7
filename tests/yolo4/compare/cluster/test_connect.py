"""Connecting a study to a cluster: what is refused in one line, and what a run's process gets."""

import sys

import pytest

from tests.helpers.fake_packages import only_packages
from utils.errors import UserError
from yolo4.compare.cluster.connect import _announcement, _environment
from yolo4.compare.cluster.share import Share
from yolo4.compare.command import compare_losses
from yolo4.compare.options import CompareOptions

pytestmark = pytest.mark.quick


class Context:
    dashboard_url = "127.0.0.1:8265"


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    only_packages(tmp_path / "packages", {"keras": ("keras", "3.15.1")}, monkeypatch)
    options = CompareOptions(cluster="auto", output=str(tmp_path / "study"))
    with pytest.raises(UserError) as refusal:
        compare_losses(options)
    assert str(refusal.value) == (
        "--cluster: ray is not installed: pip install -r requirements-cluster.txt"
    )
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"given": frozenset({"run_cpus"}), "run_cpus": 2}, "--run-cpus needs --cluster"),
        ({"given": frozenset({"ship_data"}), "ship_data": True}, "--ship-data needs --cluster"),
        ({"cluster": "auto", "run_gpus": 1.5}, "--run-gpus 1.5: above 1"),
        ({"cluster": "ray://head:10001"}, "expected auto or host:port"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        CompareOptions(**values)


def test_what_is_announced():
    first, dashboard = _announcement(Context, 2, Share(0.5, 4, 6))
    assert first == "cluster: 2 machines, up to 6 runs at once, each with 4 cores and 0.5 GPU"
    assert dashboard == "Ray's dashboard: http://127.0.0.1:8265"
    assert (
        "none with the 1 core and 2 GPUs of a run" in _announcement(Context, 1, Share(2, 1, 0))[0]
    )


def test_a_run_has_its_threads_and_what_decides_its_numbers(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("SECRET", "1")
    found = _environment(Share(1.0, 3, 1))
    assert found["TF_NUM_INTRAOP_THREADS"] == found["OMP_NUM_THREADS"] == "3"
    assert found["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert "SECRET" not in found
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in found
    assert _environment(Share(0.5, 3, 1))["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
