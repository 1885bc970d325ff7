"""What each run gets of a cluster, by hand-worked cases."""

import pytest

from yolo4.compare.cluster.share import Share, share

pytestmark = pytest.mark.quick

CPU_ONLY = {"CPU": 8.0}
EIGHT_GPUS = {"CPU": 64.0, "GPU": 8.0}
NO_CORES = {"memory": 1.0}


@pytest.mark.parametrize(
    ("machines", "gpus", "cpus", "expected"),
    [
        ([EIGHT_GPUS], None, None, Share(1.0, 8, 8)),
        ([EIGHT_GPUS], 0.5, None, Share(0.5, 4, 16)),
        ([EIGHT_GPUS], 0.1, None, Share(0.1, 1, 64)),  # 80 by the GPUs
        ([EIGHT_GPUS], 4.0, 2, Share(4.0, 2, 2)),
        ([EIGHT_GPUS], 0.0, 16, Share(0.0, 16, 4)),
        ([CPU_ONLY], None, None, Share(0.0, 8, 1)),
        ([CPU_ONLY, {"CPU": 4.0}], None, None, Share(0.0, 4, 3)),
        ([CPU_ONLY, EIGHT_GPUS], None, None, Share(1.0, 8, 8)),
        ([CPU_ONLY, EIGHT_GPUS], None, 2, Share(1.0, 2, 8)),
        ([CPU_ONLY, NO_CORES], None, 3, Share(0.0, 3, 2)),
        ([CPU_ONLY], 1.0, None, Share(1.0, 1, 0)),
        ([CPU_ONLY], None, 9, Share(0.0, 9, 0)),
        ([{"CPU": 4.0, "GPU": 8.0}], None, None, Share(1.0, 1, 4)),
        ([], None, None, Share(0.0, 1, 0)),
    ],
    ids=str,
)
def test_what_each_run_gets(machines, gpus, cpus, expected):
    assert share(machines, gpus, cpus) == expected
