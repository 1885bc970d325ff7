"""COCO JSON: boxes as x, y, width, height in pixels from 0; crowds count as difficult."""
