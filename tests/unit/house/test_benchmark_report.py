"""The benchmark's report keeps what other parts have measured."""

from __future__ import annotations

from tests.bench.report import put_section


def test_a_part_of_the_benchmark_replaces_its_own_section_only(tmp_path):
    path = tmp_path / "benchmarks.md"
    put_section("Backups", "slow", path=path)
    put_section("Lists", "| a |\n|---|\n\n### Why\n\nBecause.", path=path)
    before = path.read_text()
    put_section("Backups", "fast", path=path)
    assert path.read_text() == before.replace("slow", "fast")
    assert path.read_text().count("## Backups") == 1
    assert path.read_text().startswith("# Benchmarks\n")
