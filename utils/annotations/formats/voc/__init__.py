"""Pascal VOC: one XML file for each image, with or without lists of images for the splits."""
