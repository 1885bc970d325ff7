"""Two machines of Ray on this one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MEMORY = 200_000_000  # bytes of each machine's objects


@contextmanager
def two_machines() -> Iterator[Any]:
    """Within the block, a cluster of two machines with one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    each = {"num_cpus": 1, "object_store_memory": _MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=each)
    try:
        cluster.add_node(**each)
        yield cluster
    finally:
        cluster.shutdown()
