"""The search of the manual's site, opened as a file and from a server."""

import functools
import http.server
import shutil
import threading

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from docs.building.site_files import ROOT

PAGE = "# First\n\nA heron.\n\n## Second\n\nA bittern hides.\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site of one page, built as the manual is."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs" / "building", folder / "docs" / "building")
    (folder / "docs" / "index.md").write_text(PAGE, encoding="utf-8")
    settings = {"hooks": [], "plugins": ["search", "offline"], "nav": [{"Start": "index.md"}]}
    folders = {"docs_dir": str(folder / "docs"), "site_dir": str(folder / "site")}
    build(load_config(str(ROOT / "mkdocs.yml"), **folders, **settings))
    return folder / "site"


@pytest.fixture
def served(site):
    """The address of a server of the site."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("opened", ["as a file", "from a server"])
def test_the_search_finds_a_word_without_a_request_to_others(browser, site, served, opened):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    own = site.as_uri() if opened == "as a file" else served
    page.goto(f"{own}/index.html")
    field = page.get_by_role("textbox", name="Search")
    assert field.is_visible()
    field.press_sequentially("bittern")
    found = page.locator('.md-search-result__link[href*="#second"]')
    found.wait_for()
    assert "bittern" in found.inner_text()
    assert [url for url in requests if not url.startswith((own, "blob:", "data:"))] == []
    assert errors == []
    page.close()
