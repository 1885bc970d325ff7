from yolo4.compare.command import compare_losses as compare_losses
from yolo4.config import Config as Config
from yolo4.evaluate.command import evaluate_run as evaluate_run
from yolo4.inference.detector import Detector as Detector
from yolo4.train.loop import train_model as train_model

__version__: str
__all__ = ["Config", "Detector", "compare_losses", "evaluate_run", "train_model"]
