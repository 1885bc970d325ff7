"""YOLO: one text file for each image; a data.yaml, lists or folders give the splits."""
