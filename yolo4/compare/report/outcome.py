"""The outcome of a study: its numbers, its page, and its verdict on the screen."""

from pathlib import Path

from yolo4.compare.report.example_images import add_pictures, without_pictures
from yolo4.compare.report.page import render
from yolo4.compare.report.summary import measure_runs, summarize
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, write_json


def write_outcome(plan: Plan) -> Path:
    """Write `report.json`, `report.html` and the figures' data from what the runs left.

    Args:
        plan: a study with any number of finished runs.

    Returns:
        The page.

    Raises:
        UserError: the folder holds no measured images.
    """
    images = MeasuredImages.load(plan.study.images_file)
    measured = measure_runs(plan, images)
    report = summarize(plan, images, measured)
    add_pictures(report, images, measured)
    write_json(plan.study.report_file, without_pictures(report))
    page = render(report, plan.study.folder)
    print("", *report["verdict"], f"\nreport: {page}", sep="\n")
    return page
