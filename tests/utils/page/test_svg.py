"""Drawings inside a page."""

from xml.etree import ElementTree

import pytest

from utils.page.svg import color, inline_svg, new_axes

pytestmark = pytest.mark.quick


def test_a_drawing_is_one_element_without_a_style_of_its_own():
    figure, axes = new_axes(100, "a < b & c > d")
    axes.plot([0, 1], [0, 1], color=color("ink"))
    root = ElementTree.fromstring(inline_svg(figure, "x", "what's <seen>"))
    assert root.tag == "svg"
    assert root.get("aria-label") == "what's <seen>"
    assert {e.tag for e in root.iter()}.isdisjoint({"style", "metadata", "script"})
    assert "a < b & c > d" in [e.text for e in root.iter("text")]
