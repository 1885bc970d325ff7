"""Settings of Gradio, made before it is imported: it sends nothing, and keeps nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# FFmpeg would open a playlist, which names other files or addresses.
_VIDEO_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
_SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"format_whitelist;{_VIDEO_FORMATS}|protocol_whitelist;file",
    # Gradio asks its own server whether it answers.
    "NO_PROXY": "*",
    "no_proxy": "*",
}


@contextmanager
def isolated_gradio() -> Iterator[Path]:
    """A folder for Gradio's files, removed at the end of the block.

    Gradio must be imported within the block. It does not see its own variables of the environment,
    which could make a public link or serve other folders.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="yolo4-demo-", ignore_cleanup_errors=True) as folder:
        uploads = Path(folder).resolve()
        os.environ |= _SETTINGS | {"GRADIO_TEMP_DIR": str(uploads)}
        yield uploads
