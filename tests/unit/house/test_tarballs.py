"""What the two collections ship: built for real into a temporary folder, and listed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[3]
CORE = ROOT / "collections" / "ansible_collections" / "cloudcasa" / "core"
MADE_BY_GALAXY = {"MANIFEST.json", "FILES.json"}
LEAVINGS = (".venv/lib/site.yml", "playbooks/notes.txt", "plugins/modules/old.pyc", "dist/cloudcasa-suite-0.0.1.tar.gz", "roles/.swp~")


def tracked(folder: Path, *below: str) -> set[str]:
    """Return the files that git knows or would add under some folders, as the tarball names them."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "--", *below]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout.splitlines()
    return {name for name in listed if (folder / name).is_file()}


def build(source: Path, *, work: Path) -> set[str]:
    """Build a collection from a checkout with a developer's leavings in it; return the paths of the files in its tarball."""
    checkout = work / "checkout"
    for name in {*tracked(source, ".")}:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, checkout / name)
    for name in LEAVINGS:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("left\n")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    command = [str(galaxy), "collection", "build", "--output-path", str(work), str(checkout)]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=work)
    (tarball,) = work.glob("*.tar.gz")
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return build(ROOT, work=tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return build(CORE, work=tmp_path_factory.mktemp("core"))


def test_suite_ships_roles_playbooks_and_inventories_and_nothing_else(suite):
    top = {PurePosixPath(name).parts[0] for name in suite - MADE_BY_GALAXY}

    assert top <= {"roles", "playbooks", "inventories", "meta", "LICENSE", "README.md", "CHANGELOG.md"}


def test_suite_ships_each_role_and_playbook_of_the_repository(suite):
    wanted = tracked(ROOT, "roles", "playbooks", "inventories")

    assert wanted - suite == set()


def test_suite_tells_its_licence_and_history(suite):
    assert {"LICENSE", "README.md", "CHANGELOG.md"} <= suite


def test_core_ships_each_plugin(core):
    assert tracked(CORE, "plugins") - core == set()


def test_core_ships_its_licence_and_runtime_metadata(core):
    assert {"COPYING", "README.md", "meta/runtime.yml"} <= core


def test_neither_ships_tests_or_leavings(core, suite):
    stray = {name for name in core | suite if name.startswith("tests/") or name in LEAVINGS or "__pycache__" in name}

    assert stray == set()
