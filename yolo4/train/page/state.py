"""The state of a training on its page, which changes when the training ends."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from utils.files.writing import write_atomically
from utils.printable import one_line, printable
from yolo4.run import Run

# The page of a training that has finished has none.
_STATE = re.compile(r'<p class="lead" id="state".*?</p>', re.DOTALL)


def change_state(run: Run, state: str, details: str) -> None:
    """Replace the state on the page of a training that has not finished; the rest stays.

    Programs call this while they end, so a page that is missing, or that cannot be read or written,
    is left alone.

    Args:
        run: the run of the training.
        state: a few words.
        details: the rest of the sentence, after the time.
    """
    when = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
    words = f"<strong>{state}</strong> at {when}{html.escape(printable(details))}"
    line = f'<p class="lead" id="state">{words}</p>'
    with suppress(OSError, UnicodeError):
        before = run.progress_page.read_text(encoding="utf-8")
        after = _STATE.sub(lambda _: line, before, count=1)
        if after != before:
            write_atomically(run.progress_page, after, durable=False)


@contextmanager
def end_on_page(run: Run) -> Iterator[None]:
    """Within the block, a training: when it ends, its page says how, unless it has finished."""
    try:
        yield
    except Exception as error:
        state = "Failed" if run.failure_file.is_file() else "Ended by an error"
        change_state(run, state, f": {one_line(error)}")
        raise
    change_state(run, "Ended", ", before its last epoch.")
