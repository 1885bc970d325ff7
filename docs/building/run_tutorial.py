"""Runs the tutorial and keeps its outputs: `python docs/building/run_tutorial.py`."""

import hashlib
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

TUTORIAL = Path(__file__).parents[1] / "tutorial.ipynb"


def run_notebook(path: Path) -> NotebookNode:
    """Run all cells of a notebook in a fresh kernel, in the notebook's folder.

    Args:
        path: the notebook; the file is not changed.

    Returns:
        The notebook with its outputs, and in its metadata the hash of the code that made them. Of a
        progress bar it has only what is left on the screen.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        resources={"metadata": {"path": path.parent}},
        coalesce_streams=True,
        record_timing=False,
    )
    client.execute()
    for cell in notebook.cells:  # a bar that was removed has left blanks
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("text", "text").strip()]
    notebook.metadata["code_sha256"] = code_digest(notebook)
    return notebook


def code_digest(notebook: NotebookNode) -> str:
    """The SHA-256 of the code of a notebook."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


if __name__ == "__main__":
    start = time.monotonic()
    ran = run_notebook(TUTORIAL)
    nbformat.write(ran, TUTORIAL)
    print(f"{TUTORIAL}: {(time.monotonic() - start) / 60:.1f} min")
