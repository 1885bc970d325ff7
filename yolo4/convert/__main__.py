"""Names the command that replaces `python -m yolo4.convert`."""

from yolo4.cli import refuse

if __name__ == "__main__":
    refuse("python -m yolo4.convert has been renamed: use python -m yolo4 convert")
