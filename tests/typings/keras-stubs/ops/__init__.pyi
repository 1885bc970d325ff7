# Keras has no type information, and a checker that infers it concludes that these may return None.
from typing import Any

def __getattr__(name: str) -> Any: ...
