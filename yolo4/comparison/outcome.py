"""The outcome of a study: its numbers, its page, and its verdict on the screen."""

from pathlib import Path

from yolo4.comparison.pictures import add_pictures, without_pictures
from yolo4.comparison.report.page import render
from yolo4.comparison.stored import MeasuredImages, write_json
from yolo4.comparison.study import Plan
from yolo4.comparison.summary import measure_runs, summarise


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
    report = summarise(plan, images, measured)
    add_pictures(report, images, measured)
    write_json(plan.study.report_file, without_pictures(report))
    page = render(report, plan.study.folder)
    print("", *report["verdict"], f"\nreport: {page}", sep="\n")
    return page
