"""What the site is made of beside the chapters; `mkdocs build --strict` checks the whole."""

import base64

import pytest

from docs.building.site_files import (
    LAYERS,
    PAGES,
    notebook_text,
    package_text,
    packages,
    with_links_of_site,
)
from tests.helpers import ROOT

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("page", "in_the_repository", "in_the_site"),
    [
        ("index.md", "docs/data.md#splits", "data.md#splits"),
        ("index.md", "docs/images/data.jpg", "images/data.jpg"),
        ("index.md", "LICENSE", "LICENSE.md"),
        ("index.md", "docs/tutorial.ipynb", "tutorial.md"),
        ("index.md", "#focal-or-bce", "#focal-or-bce"),
        ("data.md", "settings.md", "settings.md"),
        ("data.md", "../README.md#start", "index.md#start"),
        ("data.md", "../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("tutorial.md", "data.md", "data.md"),
        ("data.md", "https://a.example/docs/b.md", "https://a.example/docs/b.md"),
    ],
)
def test_a_link_leads_to_the_page_of_the_site(page, in_the_repository, in_the_site):
    text = f"see [it]({in_the_repository}), and"
    assert with_links_of_site(text, page) == f"see [it]({in_the_site}), and"


def test_every_page_has_its_file():
    assert [name for name in PAGES if not (ROOT / name).is_file()] == []


def test_every_module_is_on_the_page_of_its_package():
    pages = "".join(package_text(package) for layer in LAYERS for package in packages(layer))
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if not path.stem.startswith("__")
    }
    assert {line[4:] for line in pages.splitlines() if line.startswith("::: ")} == modules


def test_a_notebook_becomes_a_page():
    picture = base64.b64encode(b"picture").decode()
    outputs = [
        {"output_type": "stream", "text": ["3\n", "4\n"]},
        {"output_type": "display_data", "data": {"image/png": picture, "text/plain": ["<Image>"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["show(3)"], "outputs": outputs},
    ]
    assert notebook_text({"cells": cells}) == (
        "# Title\ntext\n\n```python\nshow(3)\n```\n\n```text\n3\n4\n```\n\n"
        f'<img alt="output of the code above" src="data:image/png;base64,{picture}">'
    )
