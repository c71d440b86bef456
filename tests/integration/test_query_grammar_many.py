"""The query grammar against its second reading, with many examples."""

from __future__ import annotations

from pathlib import Path

from tests.support.grammar_suite import check_grammar


def test_hundreds_of_lists_answer_as_the_reference_does(tmp_path: Path) -> None:
    check_grammar(tmp_path, examples=700)
