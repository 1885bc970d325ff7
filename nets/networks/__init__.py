"""All networks. A new one is a file here with its graph and its spec, and an entry in NETWORKS."""

from nets.networks.spec import NetworkSpec
from nets.networks.yolov4 import YOLOV4
from nets.networks.yolov4_tiny import YOLOV4_TINY
from nets.networks.yolov4_tiny_3l import YOLOV4_TINY_3L

NETWORKS: dict[str, NetworkSpec] = {
    network.name: network for network in (YOLOV4, YOLOV4_TINY, YOLOV4_TINY_3L)
}

__all__ = ["NETWORKS", "YOLOV4", "YOLOV4_TINY", "YOLOV4_TINY_3L", "NetworkSpec"]
