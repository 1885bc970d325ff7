"""The networks there are. A new one is a file with its graph and its spec, and an entry here."""

from nets.yolov4 import YOLOV4

NETWORKS = {network.name: network for network in (YOLOV4,)}
