"""Writes images with YOLO text files."""

from pathlib import Path

from tests.helpers.annotation_files import write_image, write_text

BOX = "1 0.5 0.5 0.5 0.25\n"  # of 60x40: 15 15 45 25
HAND = [[15, 15, 45, 25]]


def write_pair(image: Path, label: Path, text: str = BOX) -> None:
    write_image(image)
    write_text(label, text)
