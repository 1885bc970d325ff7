"""The outcome of a study: its numbers, its page, and its verdict on the screen."""

from yolo4.compare.report.example_images import add_pictures, without_pictures
from yolo4.compare.report.figures.common import Report
from yolo4.compare.report.measured import measure_runs
from yolo4.compare.report.page import render
from yolo4.compare.report.summary import summarize
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, write_json


def write_outcome(plan: Plan) -> Report:
    """Write `report.json`, `report.html` and the figures' data, and print the verdict.

    Args:
        plan: a study with any number of finished runs.

    Returns:
        What `report.json` holds.

    Raises:
        UserError: the folder holds no measured images.
    """
    images = MeasuredImages.load(plan.study.images_file)
    measured = measure_runs(plan, images)
    report = summarize(plan, images, measured)
    add_pictures(report, measured)
    page = render(report, plan.study.folder)
    figures = without_pictures(report)
    write_json(plan.study.report_file, figures)
    lines = [f"Co-outcome: {contrast['sentence']}" for contrast in report["co_outcome"]]
    lines += [line["sentence"] for line in report["dose_response"]]
    lines += report["hardware"]["sentences"]
    print("", *report["purpose"], *report["verdict"], *lines, f"\nreport: {page}", sep="\n")
    return figures
