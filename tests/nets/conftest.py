"""Shared by the tests of the tensors."""

import pytest


@pytest.fixture
def compiled(monkeypatch):
    """Leave losses uncompiled, as compiling takes seconds each; the value is what compiles them."""
    from nets import losses

    compiled = losses.compiled
    monkeypatch.setattr(losses, "compiled", lambda function: function)
    return compiled
