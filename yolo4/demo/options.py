"""The options of `python -m yolo4 demo`."""

import dataclasses

from yolo4.inference import BACKEND_HELP, PRECISION_HELP, Backend, Precision
from yolo4.options import check_ranges, option


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Which runs the page shows, and where it is served."""

    run: tuple[str, ...] = option(
        (), "folders of training runs, shown side by side; none: the latest run", "what"
    )
    backend: Backend = option("auto", BACKEND_HELP, "what")
    precision: Precision = option("auto", PRECISION_HELP, "what")
    host: str = option(
        "127.0.0.1", "address of the page; 0.0.0.0: every address of this machine", "server"
    )
    port: int = option(7860, "port of the page; 0: any that is free", "server", 0, 65535)

    def __post_init__(self) -> None:
        check_ranges(self)
