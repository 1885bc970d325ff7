"""Shows images in a window, if there is a screen."""

import subprocess
import sys
from typing import Self

import cv2
import numpy as np
from tqdm import tqdm

_TITLE = "detections"
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
_PROBE_SECONDS = 20
_ESCAPE = 27


class Window:
    """A window on the screen. `open` makes one."""

    @classmethod
    def open(cls) -> Self | None:
        """A window; if none can be opened, None after a line on standard error."""
        # Without a screen some builds of OpenCV abort the process, so a child process tries first.
        try:
            probe = subprocess.run(
                [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS
            )
        except subprocess.TimeoutExpired:
            probe = None
        if probe is None or probe.returncode != 0:
            message = "--show: no window can be opened here; the results are in files"
            tqdm.write(message, file=sys.stderr)  # on a line apart from the progress bar
            return None
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        return cls()

    def show(self, image: np.ndarray, wait: bool) -> bool:
        """Show an image.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            wait: whether to wait until a key is pressed.

        Returns:
            False if the person pressed q or Escape.
        """
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return cv2.waitKey(0 if wait else 1) & 0xFF not in (ord("q"), _ESCAPE)

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(_TITLE)
