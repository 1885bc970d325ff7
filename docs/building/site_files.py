"""What MkDocs puts into the site beside the chapters: README, API pages and the tutorial.

Links lead to the same file on GitHub and in the site, although README is not in `docs/`.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# Pages of the site, by the file that each is made of.
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "README.zh-CN.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE": "LICENSE.md",
    "docs/tutorial.ipynb": "tutorial.md",
}
LAYERS = ("yolo4", "utils", "nets")
_PICTURES = ("image/png", "image/jpeg")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API pages to the contents."""
    layers = [{layer: [api_page(p) for p in packages(layer)]} for layer in LAYERS]
    assert config.nav is not None
    config.nav.append({"API": ["api/index.md", *layers]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in `docs/`."""
    texts = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in PAGES.items()}
    texts["tutorial.md"] = notebook_text(json.loads(texts["tutorial.md"]))
    texts["api/index.md"] = public_text()
    texts |= {api_page(p): package_text(p) for layer in LAYERS for p in packages(layer)}
    for page, text in texts.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Make the links of a page those of the site."""
    return with_links_of_site(markdown, page.file.src_uri)


def with_links_of_site(markdown: str, page: str) -> str:
    """The text of a page whose links between files of the repository lead to pages of the site.

    Args:
        markdown: the text, with links as they are in the repository.
        page: the page's path in the site, such as "index.md".
    """
    sources = {of_site: source for source, of_site in PAGES.items()}
    folder = posixpath.dirname(sources.get(page, f"docs/{page}"))

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[1]))
        target = PAGES.get(target, target.removeprefix("docs/"))
        return f"]({posixpath.relpath(target, posixpath.dirname(page) or '.')}"

    return re.sub(r"\]\((?!\w+:)([^)#\s]+)", link, markdown)


def packages(layer: str) -> list[str]:
    """The dotted names of the packages of a layer that have modules, itself first."""
    files = sorted((ROOT / layer).rglob("*.py"))
    folders = {path.parent for path in files if path.name != "__init__.py"}
    return [".".join(folder.relative_to(ROOT).parts) for folder in sorted(folders)]


def api_page(package: str) -> str:
    """The path of a package's page in the site."""
    return f"api/{package}.md"


def package_text(package: str) -> str:
    """The page of a package: the docstrings of its modules."""
    folder = ROOT.joinpath(*package.split("."))
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
    return "\n".join([f"# {package}\n", *(f"::: {package}.{name}\n" for name in names)])


def public_text() -> str:
    """The first page of the API: where the names are that `import yolo4` offers."""
    stubs = (ROOT / "yolo4" / "__init__.pyi").read_text(encoding="utf-8")
    public = re.findall(r"^from (\S+) import (\w+)", stubs, re.MULTILINE)
    names = [f"- [`{name}`][{module}.{name}]" for module, name in public]
    return "\n".join(["# API", "", "`from yolo4 import ...` offers", "", *names])


def notebook_text(notebook: dict[str, Any]) -> str:
    """A notebook as a page: its text, its code, and what the code printed and drew."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(_fenced(source, "python"))
            parts += [_output(output) for output in cell["outputs"]]
    return "\n\n".join(parts)


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _fenced("".join(output["text"]), "text")
    data = output["data"]
    for kind in _PICTURES:
        if kind in data:
            return f'<img alt="output of the code above" src="data:{kind};base64,{data[kind]}">'
    return _fenced("".join(data["text/plain"]), "text")


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
