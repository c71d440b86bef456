"""What a machine lacks is said in one sentence, with the command that mends it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.build import MissingError, machine
from lab.build.containers import pip_configuration
from lab.build.rootfs import chosen_mirror


@pytest.mark.parametrize(
    ("absent", "sentence"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param(
            ["buildah", "debootstrap"],
            "The lab needs buildah, debootstrap: install with `apt-get install -y buildah debootstrap`.",
            id="packages",
        ),
        pytest.param(
            ["ctr", "containerd"], "The lab needs ctr, containerd: install with `apt-get install -y containerd`.", id="one package, once"
        ),
        pytest.param(["go"], "The lab needs Go 1.26 or newer: install it and put its `bin` directory on PATH.", id="go"),
    ],
)
def test_missing_commands_are_named_with_their_packages(absent: list[str], sentence: str | None) -> None:
    assert machine.missing_sentence(absent) == sentence


def test_absent_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nowhere"):
        machine.require([str(tmp_path / "nowhere")])


def test_user_who_is_not_root_is_told_to_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MissingError, match="sudo"):
        machine.require([], root=True)


def test_full_disk_is_found_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5 << 30))
    with pytest.raises(MissingError, match=r"needs 12 GiB free, and .* has 5 GiB"):
        machine.require_room(tmp_path / "not" / "there" / "yet")


@pytest.mark.parametrize(
    ("output", "version"), [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.30rc1 linux/arm64", (1, 30)), ("?", (0, 0))]
)
def test_go_version_is_read(output: str, version: tuple[int, int]) -> None:
    assert machine.go_version(output) == version


def test_mirror_is_the_machines_own() -> None:
    listed = (
        "http://ui.test/extra nodistro main\n"
        "http://mirror.test/debian-security/ bookworm-security main\n"
        "http://mirror.test/debian/ bookworm main\n"
    )
    assert chosen_mirror(listed) == "http://mirror.test/debian/"


def test_machine_without_a_debian_mirror_is_told_so() -> None:
    with pytest.raises(MissingError, match="apt-get update"):
        chosen_mirror("")


def test_pip_of_an_image_uses_the_machines_index_and_the_lent_certificates() -> None:
    listed = "global.cert='/etc/own.pem'\nglobal.index-url='https://index.test/simple'\n:env:.find-links='/opt/wheels'\n"
    assert pip_configuration(listed).splitlines() == [
        "[global]",
        "cert = /run/build-ca.crt",
        "disable-pip-version-check = true",
        "index-url = https://index.test/simple",
    ]
