"""The tutorial: a notebook whose outputs are those of its code."""

import re

import nbformat
import pytest

from docs.building.run_tutorial import TUTORIAL, code_digest, run_notebook
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(TUTORIAL, as_version=4)


@pytest.fixture(scope="module")
def cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.quick
def test_the_outputs_are_those_of_the_code(notebook, cells):
    assert notebook.metadata["code_sha256"] == code_digest(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.quick
def test_no_cell_failed_and_no_bar_flooded_the_page(cells):
    outputs = [output for cell in cells for output in cell.outputs]
    assert "error" not in {output.output_type for output in outputs}
    printed = "".join(output.get("text", "") for output in outputs)
    assert "\r" not in printed
    assert set(re.findall(r"(\d+)%\|", printed)) == {"100"}
    assert str(ROOT) not in printed


@pytest.mark.quick
def test_pictures_and_the_verdict_are_shown(cells):
    shown = [output.data for cell in cells for output in cell.outputs if "data" in output]
    assert sum(kind.startswith("image/") for data in shown for kind in data) == 4
    assert "points of mAP" in cells[-1].outputs[0].text


@pytest.mark.quick
def test_the_file_is_small():
    assert TUTORIAL.stat().st_size < 500_000


@pytest.mark.slow  # a training and six runs of a comparison
def test_the_tutorial_runs(tmp_path):
    for name in ("docs", "model_data"):
        (tmp_path / name).mkdir()
    for name in ("nets", "utils", "yolo4", "docs/tutorial.ipynb"):
        (tmp_path / name).symlink_to(ROOT / name)
    ran = run_notebook(tmp_path / "docs" / "tutorial.ipynb")
    assert "points of mAP" in ran.cells[-2].outputs[0].text
    assert (tmp_path / "logs" / "tutorial" / "report.html").is_file()
    assert (tmp_path / "logs" / "tutorial-data.html").is_file()
