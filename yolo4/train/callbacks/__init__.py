"""The callbacks of a training; `yolo4.train.phases` puts them in order."""

from typing import Any, TypeAlias

Logs: TypeAlias = Any
"""Numbers by name, `dict[str, float]`; Keras's signatures have None as the default of `logs`."""
