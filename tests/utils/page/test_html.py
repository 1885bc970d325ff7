"""The shell that pages share."""

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from utils.page.html import clean, render_html

pytestmark = pytest.mark.quick

TEMPLATE = """{% extends "page.html.jinja" %}
{% block title %}{{ name }}{% endblock %}
{% block header %}<h1>{{ name }}</h1>{% endblock %}
{% block main %}<section id="one">{{ value | points }} {{ value | signed }} {{ value | number }}
</section>{% endblock %}
"""
CONTENTS = [("one", "The first")]


@pytest.fixture
def page(tmp_path):
    (tmp_path / "x.html.jinja").write_text(TEMPLATE)
    (tmp_path / "x.css").write_text(".own { color: red; }")
    return lambda **values: render_html(
        tmp_path / "x.html.jinja", tmp_path / "x.css", contents=CONTENTS, **values
    )


def test_a_page_extends_the_shell_with_its_own_style(page):
    text = page(name="a < b", value=-0.125)
    assert "<title>a &lt; b</title>" in text
    assert '<li><a href="#one">The first</a></li>' in text
    assert "−12.5 −12.5 −0.125" in text
    assert text.index("--ground") < text.index(".own { color: red; }") < text.index("</style>")


def test_the_policy_allows_the_script_of_the_page_and_no_other(page):
    text = page(name="x", value=None)
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in text


def test_a_missing_value_is_a_dash_and_a_missing_variable_an_error(page):
    assert "– – –" in page(name="x", value=None)
    with pytest.raises(UndefinedError, match="value"):
        page(name="x")


def test_values_from_outside_are_cleaned():
    dirty = {1: (float("nan"), float("-inf"), 2.5, None), "a": ["b\x00\ud800", True]}
    assert clean(dirty) == {"1": [None, None, 2.5, None], "a": ["b\ufffd\ufffd", True]}


def test_the_policy_covers_the_pages_own_script(tmp_path, page):
    (tmp_path / "x.js").write_text("window.own = 1;")
    text = page(name="x", value=0.5, own_scripts=[tmp_path / "x.js"])
    script = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    assert script.endswith("window.own = 1;")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
