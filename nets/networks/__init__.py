"""All networks. A new one is a file here with its graph and its spec, and an entry in NETWORKS."""

from nets.networks.spec import NetworkSpec
from nets.networks.yolov4 import YOLOV4

NETWORKS: dict[str, NetworkSpec] = {network.name: network for network in (YOLOV4,)}

__all__ = ["NETWORKS", "YOLOV4", "NetworkSpec"]
