"""Every benchmark finds the names that it imports from this project."""

import importlib

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.quick

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
]
OPTIONAL = {"torch", "torchvision", "pycocotools"}  # of requirements-peers.txt


@pytest.mark.parametrize("module", MODULES)
def test_a_benchmark_lacks_none_but_optional_libraries(module):
    missing = set()
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing.add(error.name)
    assert missing <= OPTIONAL
