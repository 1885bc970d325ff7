"""Progress bars, in a terminal and in a notebook."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(*arguments: Any, shown: bool = True, **options: Any) -> tqdm:
    """A bar of tqdm, if somebody watches: nothing is written to a file or a pipe.

    In a terminal it is on standard error. In a notebook it is on standard output: there the next
    line that is printed takes the place of a bar that has been removed.

    Args:
        arguments: those of tqdm.
        shown: False: no bar.
        options: those of tqdm.
    """
    if _in_notebook():
        return tqdm(*arguments, file=sys.stdout, disable=not shown, **options)
    return tqdm(*arguments, disable=None if shown else True, **options)


def _in_notebook() -> bool:
    return type(sys.stdout).__module__.startswith("ipykernel.")
