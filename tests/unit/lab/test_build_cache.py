"""The lab's cache: keys follow the content, and an entry is whole or absent."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab.build.cache import Slot, content_key


def a_slot(root: Path, *, key: str = "0123456789abcdef") -> Slot:
    return Slot("bin", "kube", key, root)


def test_key_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    source = tmp_path / "main.go"
    source.write_text("package main")
    before = content_key([source])
    source.write_text("package other")
    assert content_key([source]) != before


def test_key_changes_with_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "module").mkdir()
    source = tmp_path / "module" / "a.go"
    source.write_text("package main")
    before = content_key([tmp_path / "module"])
    source.rename(source.with_name("b.go"))
    assert content_key([tmp_path / "module"]) != before


def test_key_does_not_depend_on_where_the_checkout_lies(tmp_path: Path) -> None:
    for checkout in ("one", "two"):
        (tmp_path / checkout / "module").mkdir(parents=True)
        (tmp_path / checkout / "module" / "main.go").write_text("package main")
    assert content_key([tmp_path / "one" / "module"]) == content_key([tmp_path / "two" / "module"])


def test_key_ignores_what_tools_leave_behind(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print()")
    before = content_key([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"code")
    assert content_key([tmp_path]) == before


def test_key_tells_parts_apart() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])


def test_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    for _ in range(2):
        a_slot(tmp_path).fill(made.append)
    assert len(made) == 1


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "half").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        a_slot(tmp_path).fill(fail)
    assert not a_slot(tmp_path).is_filled()
    assert list((tmp_path / "draft").iterdir()) == []


def test_draft_of_a_dead_process_is_not_built_upon(tmp_path: Path) -> None:
    left = tmp_path / "draft" / "bin-kube-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    path = a_slot(tmp_path).fill(lambda draft: (draft / "kube").touch())
    assert [file.name for file in path.iterdir()] == ["kube"]


def test_second_builder_waits_and_takes_the_first_ones_result(tmp_path: Path) -> None:
    started, waiting, made = threading.Event(), threading.Event(), []

    def slow(_: Path) -> None:
        made.append("first")
        started.set()
        assert waiting.wait(5)

    first = threading.Thread(target=lambda: a_slot(tmp_path).fill(slow))
    first.start()
    assert started.wait(5)
    a_slot(tmp_path).fill(lambda _: made.append("second"), on_wait=waiting.set)
    first.join()
    assert made == ["first"]


def test_only_the_entries_used_last_are_kept(tmp_path: Path) -> None:
    slots = [a_slot(tmp_path, key=f"{number:016x}") for number in range(4)]
    for slot in slots:
        slot.fill(lambda _: None)
    other = Slot("bin", "kube-proxy", "0" * 16, tmp_path)
    other.fill(lambda _: None)
    slots[3].drop_older(keep=2)
    assert sum(slot.is_filled() for slot in slots) == 2
    assert other.is_filled()
