from dataclasses import replace

import pytest

from utils.errors import UserError
from yolo4.compare.design import Design
from yolo4.compare.planning.declaration import (
    Declaration,
    changes_of,
    declare,
    read_declarations,
)

pytestmark = pytest.mark.quick

FIRST, OTHER = Design(), Design(smallest_difference=0.05, looks=(3, 4))


def designs(declared):
    return [(each.design, each.finished_runs) for each in declared]


def test_before_a_result_is_known_a_design_may_change_silently():
    declared = declare([], FIRST, 0)
    declared = declare(declared, OTHER, 0)
    assert designs(declared) == [(OTHER, 0)]
    assert changes_of(declared) == []


def test_the_same_design_is_declared_once():
    declared = declare([], FIRST, 0)
    assert declare(declared, FIRST, 6) == declared


def test_a_later_change_is_kept_and_told():
    declared = declare(declare([], FIRST, 0), OTHER, 6)
    assert designs(declared) == [(FIRST, 0), (OTHER, 6)]
    (text,) = changes_of(declared)
    assert "Declared at first: smallest difference 2 points, looks after 3, 5, 8, 12 seeds" in text
    assert "Another design was declared after 6 runs had finished" in text
    assert "smallest difference 5 points, looks after 3, 4 seeds" in text


def test_a_change_back_is_a_change_too():
    declared = declare(declare(declare([], FIRST, 0), OTHER, 6), FIRST, 8)
    assert [number for _, number in designs(declared)] == [0, 6, 8]
    assert "after 8 runs had finished" in changes_of(declared)[0]


def test_a_design_of_a_study_that_had_none_is_told():
    (text,) = changes_of(declare([], FIRST, 4))
    assert text.startswith("The design was declared after 4 runs had finished")
    assert "at first" not in text


def test_declarations_come_back(tmp_path):
    declared = declare(declare([], FIRST, 0), OTHER, 6)
    entries = [each.to_dict() for each in declared]
    assert read_declarations(entries, tmp_path) == declared
    folds = Declaration(Design(folds=5, co_outcome="AP"), 0, "2026-01-01")
    assert read_declarations([folds.to_dict()], tmp_path) == [folds]


def test_older_versions_declared_no_co_outcome(tmp_path):
    entry = Declaration(FIRST, 0, "2026-01-01").to_dict()
    del entry["design"]["co_outcome"]
    assert read_declarations([entry], tmp_path)[0].design.co_outcome is None


def test_a_co_outcome_declared_later_is_told():
    declared = declare(declare([], FIRST, 0), replace(FIRST, co_outcome="pooled AP"), 6)
    first, later = changes_of(declared)[0].split("Another design")
    assert "co-outcome" not in first
    assert "12 seeds, co-outcome pooled AP" in later


@pytest.mark.parametrize("entries", [[{}], [1], [{"design": {"looks": 3}}]])
def test_damaged_declarations_are_named(tmp_path, entries):
    with pytest.raises(UserError, match="expected designs"):
        read_declarations(entries, tmp_path / "study.json")
