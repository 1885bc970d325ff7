"""The numbers of a data set in the terminal."""

from utils.metrics.coco_map import SIZES
from utils.text import aligned
from yolo4.data.summary import Summary


def describe(summary: Summary) -> list[str]:
    """The lines to print: objects by size, anchors, images in two splits, and advice."""
    return [*_sizes(summary), *_anchors(summary), *summary["leaks"]["lines"], *_advice(summary)]


def _sizes(summary: Summary) -> list[str]:
    cell = summary["cell"]
    head = ["objects", "", *SIZES, f"below {cell}x{cell} at {summary['input']}"]
    rows = [
        [f"  {split['name']}", f"{split['objects']:,}"]
        + [
            f"{split[size] / split['objects']:.1%}" if split["objects"] else "-"
            for size in (*SIZES, "lost")
        ]
        for split in summary["splits"]
    ]
    return aligned([head, *rows])


def _anchors(summary: Summary) -> list[str]:
    own, auto = (summary["anchors"][name] for name in ("own", "auto"))
    if own["fit"] is None:
        return []
    by_auto = f", {auto['fit']:.3f} with --anchors auto" if auto else ""
    network = summary["network"]
    return [f"anchors: mean best IoU with the objects {own['fit']:.3f} with {network}'s{by_auto}"]


def _advice(summary: Summary) -> list[str]:
    advice = [
        f"  {entry['flag'] + ': ' if entry['flag'] else ''}{entry['words']}"
        for entry in summary["advice"]
    ]
    return ["advice:", *advice] if advice else ["advice: none"]
