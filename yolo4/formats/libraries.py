"""Imports libraries that only some formats need."""

import functools
import importlib
import sys
from types import ModuleType
from typing import Any

from utils.errors import UserError


def library(name: str, requirements: str = "requirements-export.txt") -> ModuleType:
    """Import a library that only some commands, exports and backends need.

    Args:
        name: the module.
        requirements: the file that installs it.

    Raises:
        UserError: it is not installed or cannot be imported.
    """
    # Without this, OpenVINO starts processes that report every import to its makers.
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0].replace("_", "-")
        raise UserError(f"{package} is not installed: pip install -r {requirements}") from None
    except ImportError as error:
        raise UserError(f"{name} is installed, but cannot be imported: {error}") from None


@functools.cache
def openvino_core() -> Any:
    """The only `openvino.Core` of the process.

    Each core installs a stack for signal handlers in its thread and removes it when it is
    destroyed. If two cores are destroyed in the order of their creation, the next Ctrl-C crashes.

    Raises:
        UserError: OpenVINO is not installed or cannot be imported.
    """
    return library("openvino").Core()
