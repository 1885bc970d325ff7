"""The page of a training, which opens anywhere and needs no other file."""

from pathlib import Path

from utils.page.html import FRAMES_SCRIPT, clean, render_html
from yolo4.train.page import figures
from yolo4.train.page.moment import Moment
from yolo4.train.page.pictures import first_batch, validation_images
from yolo4.train.page.summary import summarize

_HERE = Path(__file__).parent
_CONTENTS = (
    ("curves", "Curves"),
    ("classes", "Classes"),
    ("images", "Validation images"),
    ("first-batch", "First batch"),
)


def render(moment: Moment) -> str:
    """The page of a training at the moment of a validation, HTML."""
    history = moment.progress.history
    summary, images = clean(summarize(moment)), clean(validation_images(moment))
    plots = (
        figures.average_precision(moment),
        figures.learning_rate(history),
        figures.losses(history),
    )
    boxes = [{key: image[key] for key in ("size", "objects", "detections")} for image in images]
    return render_html(
        _HERE / "progress.html.jinja",
        _HERE / "progress.css",
        [FRAMES_SCRIPT, _HERE / "progress.js"],
        contents=_CONTENTS,
        training=summary,
        images=images,
        batch=first_batch(moment.setup.run.batch_picture),
        live={
            "threshold": moment.threshold,
            "names": clean(list(moment.setup.class_names)),
            "images": boxes,
        },
        plots={plot.name: plot for plot in plots},
    )
