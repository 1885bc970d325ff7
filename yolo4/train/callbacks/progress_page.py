"""Writes the page of a training after each validation."""

from datetime import datetime

import keras

from utils.files.writing import write_atomically
from utils.printable import one_line
from yolo4.train.callbacks import Logs
from yolo4.train.callbacks.history import History
from yolo4.train.callbacks.validation import Validation
from yolo4.train.page.moment import Moment
from yolo4.train.page.page import render
from yolo4.train.setup import TrainingSetup


class ProgressPage(keras.callbacks.Callback):
    """Writes the page of a training after each validation.

    It has to follow the callbacks that it reads.

    Args:
        setup: of the training.
        validation: what was measured.
        history: the history, and the time that is left.
    """

    def __init__(self, setup: TrainingSetup, validation: Validation, history: History) -> None:
        super().__init__()
        self.setup = setup
        self.validation = validation
        self.history = history

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the page if this epoch was measured.

        A page that cannot be made is a line, since no training should end for it. A disk that is
        full ends the training, as it does where the other files are written.
        """
        measured, run = self.validation.latest, self.setup.run
        if measured is None:
            return
        choice = run.score_choice()
        moment = Moment(
            self.setup,
            self.history.progress,
            measured.voc,
            measured.detections,
            choice and choice.threshold,
            self.history.seconds_left,
            datetime.now().astimezone(),
        )
        try:
            html = render(moment)
        except Exception as error:
            print(f"{run.progress_page}: not written: {type(error).__name__}: {one_line(error)}")
            return
        write_atomically(run.progress_page, html, durable=False)
