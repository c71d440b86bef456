"""The query grammar finds, sorts and projects what a second reading of the same JSON says; tests/integration has many more examples."""

from __future__ import annotations

from pathlib import Path

from tests.support.grammar_suite import check_grammar


def test_lists_answer_as_the_reference_does(tmp_path: Path) -> None:
    check_grammar(tmp_path, examples=80)
