"""Imports Keras with sound settings, and hides the log lines that TensorFlow writes then."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator

from utils.errors import UserError
from yolo4.environment.failures import describe_failure
from yolo4.environment.keras_settings import check_keras_settings
from yolo4.environment.onednn import prefer_onednn


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Hide what is written to standard error within the block, for imports that load Keras.

    TensorFlow's C++ code writes to the file descriptor of standard error before it reads its own
    settings. If the block ends in an exception that is not described in one line, the hidden text
    is shown. If Keras is loaded when the block begins, nothing is hidden.

    Raises:
        UserError: Keras cannot be imported with the settings of the environment.
    """
    if "keras" in sys.modules:
        yield
        return
    check_keras_settings()
    prefer_onednn()
    # 3 hides TensorFlow's error lines too: they are about missing GPUs, and real errors raise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    screen = os.dup(2)
    # Imported objects are never freed, and collecting garbage among them takes a second.
    gc.disable()
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
            if "keras" in sys.modules:
                _initialize_devices()
        except BaseException as error:
            if not isinstance(error, UserError) and describe_failure(error) is None:
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
    """Let Keras's backend write its lines about devices now."""
    import keras

    keras.ops.zeros(())
