"""Jobs on a cluster of real Ray, two machines with one core each; the trainings are not real."""

import dataclasses
import json
import socket
import sys
import threading
import time

import pytest
import ray

from tests.helpers.fake_training import job
from tests.helpers.ray_cluster import two_machines
from utils.errors import UserError
from yolo4.compare.cluster.connect import _connection
from yolo4.compare.cluster.executor import ClusterExecutor, _remote_function
from yolo4.compare.cluster.share import Share
from yolo4.compare.cluster.site import ROOT, marked_site
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.slow

SHARE = Share(gpus=0.0, cpus=1, width=2)
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def cluster():
    with two_machines() as cluster, _connection(cluster.address):
        yield cluster


@pytest.fixture(params=[True, False], ids=["shared files", "own files"])
def shares_files(request):
    return request.param


@pytest.fixture
def study(tmp_path):
    (tmp_path / "images.json").write_text('"the images"')
    return tmp_path


def carry_out(study, chains, shares_files=True):
    """What ended, by name, and what began."""
    begun = []
    with marked_site(study) as site:
        site = site if shares_files else dataclasses.replace(site, token="another")
        executor = ClusterExecutor(site, SHARE, ENVIRONMENT)
        found = executor.carry_out(
            study, chains, lambda job, place: begun.append((job.name, place))
        )
        return {ended.job.name: ended for ended in found}, begun


def notes(study, name):
    return json.loads((study / "runs" / name / "notes.json").read_text())


def test_two_jobs_at_once_and_chains_in_order(cluster, study, shares_files):
    # Long enough for the second worker to start on a busy machine while the first one works.
    chains = [iter([job("a", seconds=5.0), job("c")]), iter([job("b", seconds=5.0)])]
    ended, begun = carry_out(study, chains, shares_files)
    assert set(ended) == {"a", "b", "c"}
    assert not any(each.killed for each in ended.values())
    assert [name for name, _ in begun][-1] == "c"
    assert all(place.startswith(" on ") for _, place in begun)
    a, b, c = (notes(study, name) for name in "abc")
    assert max(a["begun"][0][1], b["begun"][0][1]) < min(a["ended"], b["ended"]), "at once"
    assert a["ended"] < c["begun"][0][1], "c builds on a"
    for name in "abc":
        assert load_progress(study / "runs" / name / "state.npz").epoch == 3
        assert (study / "runs" / f"{name}.log").read_text() == "begun at epoch 0\n"
        found = notes(study, name)
        assert found["images"] == '"the images"'
        assert found["study"] == str(study), "paths of another machine are translated"
    assert not (study / ".cluster").exists()


def test_a_job_of_a_lost_machine_goes_on_from_its_last_epoch_elsewhere(
    cluster, study, shares_files, capsys
):
    lost = cluster.add_node(num_cpus=1, resources={"lost": 1})
    names = ("a", "b", "c")

    def lose():
        states = [study / "runs" / name / "state.npz" for name in names]
        while not all(state.exists() and load_progress(state).epoch for state in states):
            time.sleep(0.1)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    chains = [iter([job(name, epochs=20, seconds=0.5)]) for name in names]
    ended, _ = carry_out(study, chains, shares_files)
    thread.join()
    assert set(ended) == set(names)
    starts = [notes(study, name)["begun"] for name in names]
    assert sorted(map(len, starts)) == [1, 1, 2], "one of the machines was lost"
    (moved,) = (each for each in starts if len(each) == 2)
    assert 0 < moved[1][0] < 20
    assert capsys.readouterr().out.count("it goes on elsewhere") == 1


def test_a_job_that_is_killed_does_not_end_the_others(cluster, study, shares_files):
    chains = [iter([job("a", "killed"), job("b")]), iter([job("c")])]
    ended, _ = carry_out(study, chains, shares_files)
    assert {name for name, each in ended.items() if each.killed} == {"a"}
    assert {"b", "c"} < set(ended)
    assert (study / "runs" / "a" / "notes.json").exists()


def test_a_mistake_in_the_data_ends_the_study(cluster, study, shares_files):
    with pytest.raises(UserError, match=r"^on \S+: data: no such folder$"):
        carry_out(study, [iter([job("a", "refused")])], shares_files)


def test_another_version_of_the_project_is_refused(cluster, study):
    with marked_site(study) as site:
        site = dataclasses.replace(site, sources="other")
        executor = ClusterExecutor(site, SHARE, ENVIRONMENT)
        with pytest.raises(UserError, match="is another version of this project"):
            list(executor.carry_out(study, [iter([job("a")])], lambda *_: None))


def test_a_machine_without_the_project_is_named(cluster, study, monkeypatch):
    """Here every machine has it, so the function that travels there is called by itself."""
    monkeypatch.setitem(sys.modules, "yolo4.compare.cluster.task", None)
    ((host, reason),) = _remote_function()._function(b"", [], [])
    assert host == socket.gethostname()
    assert "yolo4.compare.cluster.task" in reason
    with marked_site(study) as site:
        executor = ClusterExecutor(site, SHARE, ENVIRONMENT)
        monkeypatch.setattr(executor, "_task", ray.remote(num_returns="streaming")(_lacks_project))
        with pytest.raises(UserError, match=r"^on far: no module; every machine needs this proj"):
            list(executor.carry_out(study, [iter([job("a")])], lambda *_: None))


def _lacks_project(*_):
    yield "far", "no module"
