"""Runs the networks on an image once, and shows what they find at any thresholds."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.draw import draw_boxes
from utils.page.html import clean
from utils.page.thumbnails import fit, jpeg_uri
from utils.postprocess import PostprocessSettings, Prediction
from utils.records import Detections
from yolo4.inference.detector import Detector

_LONG_SIDE = 1280
# A page of Gradio is a template, in which these have a meaning.
_OF_TEMPLATES = str.maketrans({character: f"&#{ord(character)};" for character in "${}`\\"})


@dataclass(frozen=True, eq=False)
class Seen:
    """An image, and what each network has output for it.

    Attributes:
        picture: the image, not larger than the page shows it, uint8 `[H, W, 3]` RGB.
        scale: from pixels of the image to pixels of the picture.
        predictions: of each network, by the name of its run.
    """

    picture: np.ndarray
    scale: float
    predictions: Mapping[str, Prediction]

    def drawn(
        self, name: str, class_names: Sequence[str], settings: PostprocessSettings
    ) -> tuple[np.ndarray, Detections]:
        """The picture with the boxes of a network, and its detections."""
        found = self.predictions[name].select(settings)
        boxes = self.scale * found.boxes
        return draw_boxes(self.picture, boxes, found.labels, class_names, found.scores), found


def see(detectors: Mapping[str, Detector], image: np.ndarray, long_side: int = _LONG_SIDE) -> Seen:
    """Run the network of each detector on an image.

    Args:
        detectors: by the name of their run.
        image: uint8 `[H, W, 3]` RGB.
        long_side: most pixels of the picture's longer side.
    """
    predictions = {name: detector.predict(image) for name, detector in detectors.items()}
    picture, scale = fit(image, min(long_side, max(image.shape[:2])))
    return Seen(picture, scale, predictions)


def show_pictures(
    detectors: Mapping[str, Detector], seen: Seen, settings: PostprocessSettings
) -> str:
    """The picture with the boxes of each network, and what was counted, as HTML."""
    figures = []
    for name, detector in detectors.items():
        picture, found = seen.drawn(name, detector.class_names, settings)
        words = safe(count_words(found, detector.class_names))
        figures.append(
            f"<figure><figcaption>{safe(name)}</figcaption>"
            f'<img src="{jpeg_uri(picture)}" alt="{words}"><p>{words}</p></figure>'
        )
    return f'<div class="pictures">{"".join(figures)}</div>'


def show_problem(message: str) -> str:
    """One line about what went wrong, as HTML."""
    return f'<p class="problem" role="alert">{safe(message)}</p>'


def safe(text: str) -> str:
    """Text of a file or a person for HTML, in which it means nothing but itself."""
    return html.escape(clean(text)).translate(_OF_TEMPLATES)


def count_words(found: Detections, class_names: Sequence[str]) -> str:
    """The number of detections of each class, such as "12 RBC, 1 WBC"."""
    counts = Counter(found.labels.tolist())
    words = [f"{counts[label]} {name}" for label, name in enumerate(class_names) if counts[label]]
    return ", ".join(words) or "nothing found"
