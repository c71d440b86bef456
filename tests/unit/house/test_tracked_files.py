"""What no file of the repository may hold: names of package registries' hosts, paths of a developer's machine, binaries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
ME = Path(__file__).relative_to(ROOT).as_posix()

# Put together from parts, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry", "npmjs"),
    ("deb", "debian", "org"),
    ("security", "debian", "org"),
    ("crates", "io"),
    ("repo1", "maven"),
    ("galaxy", "ansible", "com"),
]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/", "/tmp/" + "bash_jobs", "/" + "farm/"]
LARGEST_BYTES = 1024 * 1024


def repository_files() -> list[Path]:
    """Return the files that git tracks, or would if everything were added."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: str) -> list[str]:
    """Return where a pattern occurs, as file:line."""
    expression = re.compile(pattern)
    found = []
    for path in repository_files():
        name = path.relative_to(ROOT).as_posix()
        if name == ME:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{name}:{number}" for number, line in enumerate(text.splitlines(), start=1) if expression.search(line)]
    return found


def test_no_file_names_a_registry_host():
    assert lines_with("|".join(re.escape(".".join(parts)) for parts in REGISTRY_HOSTS)) == []


def test_no_file_names_a_path_of_a_developers_machine():
    assert lines_with(r"(?<![\w.}$-])(" + "|".join(re.escape(path) for path in MACHINE_PATHS) + ")") == []


def test_no_file_is_larger_than_a_mebibyte():
    large = [path.relative_to(ROOT).as_posix() for path in repository_files() if path.stat().st_size > LARGEST_BYTES]

    assert large == []


def test_no_requirement_records_where_it_was_downloaded():
    urls = re.compile(r"https?://|--index-url|--find-links| @ ")
    named = [path.name for path in sorted((ROOT / "requirements").iterdir()) if urls.search(path.read_text(encoding="utf-8"))]

    assert named == []


def test_each_pinned_requirement_has_a_hash():
    without = []
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        logical = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        without += [f"{path.name}: {line}" for line in logical if "==" in line and "--hash=sha256:" not in line]

    assert without == []
