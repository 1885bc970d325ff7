"""The HTML shell of a page: a single file with its style, its script and its data inline."""

import base64
import functools
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).parent
FRAMES_SCRIPT = _HERE / "frames.js"
# Control characters and lone surrogates: paths may hold both, HTML and UTF-8 may not.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MISSING = "–"


def render_html(
    template: Path, style: Path, own_scripts: Sequence[Path] = (), **values: Any
) -> str:
    """Render a page that needs no other file.

    Args:
        template: extends `page.html.jinja`; it can include templates of its folder and import
            `parts.html.jinja`.
        style: the page's style sheet, appended to `page.css`.
        own_scripts: the page's scripts, appended to `page.js`; `FRAMES_SCRIPT` draws the boxes of
            images.
        **values: variables of the template; `contents` holds the id and the title of each section.
    """
    scripts = [_HERE / "page.js", *own_scripts]
    script = "".join(path.read_text(encoding="utf-8") for path in scripts)
    styles = [path.read_text(encoding="utf-8") for path in (_HERE / "page.css", style)]
    page = _environment(template.parent).get_template(template.name)
    return page.render(
        values,
        style=Markup("".join(styles)),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@functools.cache
def _environment(folder: Path) -> Environment:
    """What the templates of a folder are rendered with; it keeps them compiled."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader([folder, _HERE]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": _points,
        "signed": lambda value: _points(value, "+z.1f"),
        "number": _number,
        "words": lambda name: str(name).replace("_", " "),
        "csv_uri": _csv_uri,
    }
    return environment


def clean(value: Any) -> Any:
    """Make a nested value safe to show: keys as text, None for NaN and infinity, writable text."""
    if isinstance(value, dict):
        return {clean(str(key)): clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _UNWRITABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _points(fraction: float | None, number_format: str = "z.1f") -> str:
    """A fraction in percent."""
    return _number(fraction if fraction is None else 100 * fraction, number_format)


def _number(value: float | None, number_format: str = ".3g") -> str:
    """A number with a true minus sign; a dash for None."""
    return _MISSING if value is None else format(value, number_format).replace("-", "−")


def _csv_uri(text: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()
