"""What the readers of annotation tools' exports share: parsing, shapes, files of many images."""
