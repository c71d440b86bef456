"""Root file systems from Debian: the base of our images, and PostgreSQL with DocumentDB, which only Debian's unstable has.

debootstrap and apt run in a mount namespace of their own: what they mount vanishes with them, even when they are killed. The mirror is
the one that this machine's apt uses, so a site's own mirror is respected and no address is written down here.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from .errors import MissingError
from .recipe import Inputs, Recipe
from .run import capture, log_path, run

BASE_SUITE = "bookworm"
NEWEST_SUITE = "sid"
MAIN_COMPONENT = "main"

PREPARE = """\
mount -t proc proc "$ROOT/proc"
printf '#!/bin/sh\\nexit 101\\n' > "$ROOT/usr/sbin/policy-rc.d"
chmod 755 "$ROOT/usr/sbin/policy-rc.d"
"""
"""Package scripts look at /proc, and must not start services."""

CLEAN = """\
chroot "$ROOT" apt-get clean
rm -rf "$ROOT"/var/lib/apt/lists/* "$ROOT"/var/cache/apt/*.bin "$ROOT"/var/log/*.log "$ROOT"/var/cache/debconf/*-old
"""

DOCUMENTDB = """\
# A mirror that is a snapshot, or a clock that is ahead, would make apt refuse an index that is merely old.
echo 'Acquire::Check-Valid-Until "false";' > "$ROOT/etc/apt/apt.conf.d/90lab"
mkdir -p "$ROOT/etc/postgresql-common"
# No cluster at installation: the lab makes its own where it keeps its state.
echo 'create_main_cluster = false' > "$ROOT/etc/postgresql-common/createcluster.conf"
chroot "$ROOT" apt-get update
DEBIAN_FRONTEND=noninteractive chroot "$ROOT" apt-get install -y --no-install-recommends postgresql-18 postgresql-18-documentdb
"""


def rootfs_recipes() -> list[Recipe]:
    """Return the recipes of the root file systems."""
    return [
        _recipe("bookworm", BASE_SUITE, script=PREPARE + CLEAN, usual_seconds=60, include="ca-certificates"),
        _recipe("documentdb", NEWEST_SUITE, script=PREPARE + DOCUMENTDB + CLEAN, usual_seconds=75),
    ]


def _recipe(name: str, suite: str, *, script: str, usual_seconds: int, include: str = "") -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        root = out / "rootfs"
        options = ["--variant=minbase", *([f"--include={include}"] if include else [])]
        command = shlex.join(["debootstrap", *options, suite, str(root), mirror()])
        log = log_path(f"rootfs-{name}")
        log.unlink(missing_ok=True)
        run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc", f"{command}\n{script}"],
            env={"ROOT": str(root)},
            log=log,
        )

    return Recipe(
        kind="rootfs",
        name=name,
        outputs={f"rootfs:{name}": "rootfs"},
        make=make,
        contents=lambda: [suite, script, include],
        commands=("debootstrap", "unshare"),
        root=True,
        usual_seconds=usual_seconds,
    )


def mirror() -> str:
    """Return the Debian mirror that this machine's apt uses."""
    listed = capture(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages"])
    return chosen_mirror(listed)


def chosen_mirror(listed: str) -> str:
    """Pick the mirror out of lines of "address suite component": the one of Debian's own main archive."""
    suites = (BASE_SUITE, "trixie", "forky", "stable", "testing", "unstable", NEWEST_SUITE)
    for line in listed.splitlines():
        address, suite, component = line.split()
        if suite in suites and component == MAIN_COMPONENT and "/debian" in address:
            return address
    raise MissingError(
        "The lab builds its base image from the Debian mirror of this machine's apt, and apt has none: "
        "add one to /etc/apt/sources.list and run `apt-get update`."
    )
