"""README.zh-CN.md says what README.md says: commands, flags, links, pictures and figures."""

import re
from collections import Counter

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.quick

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(!?)\[[^]]*\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:\s+(million|万))?")
FACTORS = {"": 1, "million": 10**6, "万": 10**4}


def sections(text):
    """The text below each heading, and above the first one."""
    # A comment in a block of code is no heading.
    without = FENCED.sub(lambda block: re.sub(r"^#", "//", block[0], flags=re.M), text)
    return re.split(r"^#+ .*\n", without, flags=re.MULTILINE)


def commands(text):
    """The blocks of code without their comments."""
    return [(language, re.sub(r" *# .*", "", code)) for language, code in FENCED.findall(text)]


def spans(text):
    """How often each piece of code occurs in sentences and tables."""
    return Counter(CODE.findall(FENCED.sub("", text)))


def targets(text):
    """How often each file or address is linked or shown; headings have other names."""
    return Counter(
        (sign, re.sub(r"^#.*", "#", target))
        for sign, target in LINK.findall(FENCED.sub("", text))
        if target not in (ENGLISH, CHINESE)
    )


def figures(text):
    """How often each number occurs in sentences and tables, `150 万` as 1.5 million."""
    prose = LINK.sub(lambda link: link[0].split("](")[0], CODE.sub("", FENCED.sub("", text)))
    return Counter(float(digits) * FACTORS[unit] for digits, unit in NUMBER.findall(prose))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_each_begins_with_a_link_to_the_other():
    assert read(ENGLISH).startswith(f"English | [简体中文]({CHINESE})\n")
    assert read(CHINESE).startswith(f"[English]({ENGLISH}) | 简体中文\n")


def test_both_have_the_same_headings():
    levels = [re.findall(r"^(#+) ", FENCED.sub("", read(n)), re.M) for n in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("of", [commands, spans, targets, figures])
def test_both_have_the_same(of):
    english, chinese = (sections(read(name)) for name in (ENGLISH, CHINESE))
    for ours, theirs in zip(english, chinese, strict=True):
        assert of(ours) == of(theirs)


@pytest.mark.parametrize(
    ("of", "text", "changed"),
    [
        (
            commands,
            "```bash\ntrain --epochs 3  # short\n```\n",
            "```bash\ntrain --epochs 30\n```\n",
        ),
        (spans, "the flag `--data`", "参数 `--date`"),
        (targets, "see [a](docs/a.md)", "见 [a](docs/b.md)"),
        (targets, "![a](a.webp)", "[a](a.webp)"),
        (figures, "takes 2 min 37 s", "需要 2 分 36 秒"),
        (figures, "1.5 million", "15 万"),
    ],
)
def test_a_difference_is_seen(of, text, changed):
    assert of(text) != of(changed)


def test_what_may_differ():
    assert commands("```bash\nls  # files\n```\n") == commands("```bash\nls  # 文件\n```\n")
    assert targets("[a](#focal-or-bce)") == targets("[a](#focal-还是-bce)")
    assert figures("1.5 million weights `v4`, [2](x3)") == figures("150 万个参数，[2](x4)")


def test_both_show_the_same_number_of_rows():
    rows = [re.findall(r"^\|.*\|$", read(name), re.M) for name in (ENGLISH, CHINESE)]
    assert [len(row.split("|")) for row in rows[0]] == [len(row.split("|")) for row in rows[1]]
