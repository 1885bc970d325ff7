"""Keeps the log lines of a starting TensorFlow off the screen."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Import Keras and its backend within this block.

    TensorFlow's C++ parts write to the file descriptor of standard error before any setting of
    theirs is read. What they wrote is shown after all when the block ends in an exception.
    Where Keras is imported already, nothing is changed.
    """
    if "keras" in sys.modules:
        yield
        return
    # 3: even their errors are about other machines than this; what really fails raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    screen = os.dup(2)
    # What is imported stays: looking for garbage in it takes a second until the first step.
    gc.disable()
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
            _initialize_devices()
        except BaseException:
            hidden.seek(0)
            os.write(screen, hidden.read())
            raise
        finally:
            gc.freeze()
            gc.enable()
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)


def _initialize_devices() -> None:
    import keras

    keras.ops.zeros(())
