"""The images made of static binaries alone: pause, DNS, Velero and its AWS plugin, and BusyBox for demo applications."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from .errors import MissingError
from .golang import TOOLS, pinned, published_version
from .oci import ImagePlan, write_archive
from .recipe import Inputs, Recipe

REGISTRY = "lab.local"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
BUSYBOX = Path("/bin/busybox")
NOBODY = "65532:65532"
USERS = b"root:x:0:0:root:/tmp:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n"
GROUPS = b"root:x:0:\nnonroot:x:65532:\n"
ACCOUNTS = {"/etc/passwd": USERS, "/etc/group": GROUPS}
PLUGIN = "velero-plugin-for-aws"

_VELERO_DIR = TOOLS / "velero"
TAGS = {
    "pause": "1.0.0",
    "busybox": "1.0.0",
    "coredns": published_version("coredns"),
    "velero": pinned(_VELERO_DIR, "github.com/vmware-tanzu/velero"),
    PLUGIN: pinned(_VELERO_DIR, f"github.com/vmware-tanzu/{PLUGIN}"),
}


def ref(name: str) -> str:
    """Return the reference of one of these images."""
    return f"{REGISTRY}/{name}:{TAGS[name]}"


def static_image_recipes() -> list[Recipe]:
    """Return the recipes of the images that need nothing below them."""
    return [
        _recipe("pause", _pause, needs=("pause",)),
        _recipe("busybox", _busybox, commands=("busybox",), files=(BUSYBOX,)),
        _recipe("coredns", _coredns, needs=("coredns",)),
        _recipe("velero", _velero, needs=("velero", "velero-helper", "velero-restore-helper"), files=(CA_BUNDLE,)),
        _recipe(PLUGIN, _plugin, needs=(PLUGIN, "cp-plugin")),
    ]


def _recipe(
    name: str,
    plan: Callable[[Inputs], ImagePlan],
    *,
    needs: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    files: tuple[Path, ...] = (),
) -> Recipe:
    def make(out: Path, inputs: Inputs) -> None:
        write_archive(out / f"{name}.tar", plan(inputs))

    return Recipe(
        kind="image",
        name=name,
        outputs={f"image:{name}": f"{name}.tar"},
        make=make,
        # How images are made is part of what they are: these two files, which are short.
        contents=lambda: [Path(__file__), Path(__file__).with_name("oci.py"), ref(name), *files],
        needs=needs,
        commands=(*commands, *(str(file) for file in files)),
    )


def _pause(inputs: Inputs) -> ImagePlan:
    return ImagePlan(ref("pause"), files={"/pause": inputs["pause"]}, entrypoint=["/pause"], user=NOBODY)


def _coredns(inputs: Inputs) -> ImagePlan:
    return ImagePlan(ref("coredns"), files={"/coredns": inputs["coredns"]}, entrypoint=["/coredns"], user=NOBODY)


def _velero(inputs: Inputs) -> ImagePlan:
    programs = {f"/{name}": inputs[name] for name in ("velero", "velero-helper", "velero-restore-helper")}
    return ImagePlan(
        ref("velero"),
        files={**programs, **ACCOUNTS, str(CA_BUNDLE): CA_BUNDLE},
        entrypoint=["/velero"],
        environment=["HOME=/tmp"],  # kopia keeps its configuration and cache below it
    )


def _plugin(inputs: Inputs) -> ImagePlan:
    """Return the image that Velero runs as an init container: it copies the plugin to where the server looks for it."""
    plugin = f"/plugins/{PLUGIN}"
    return ImagePlan(
        ref(PLUGIN),
        files={plugin: inputs[PLUGIN], "/bin/cp-plugin": inputs["cp-plugin"], **ACCOUNTS},
        entrypoint=["/bin/cp-plugin", plugin, f"/target/{PLUGIN}"],
        user=NOBODY,
    )


def _busybox(_: Inputs) -> ImagePlan:
    if b"/ld-linux" in BUSYBOX.read_bytes()[:4096]:
        raise MissingError("The lab needs a static BusyBox: install with `apt-get install -y busybox-static`.")
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return ImagePlan(
        ref("busybox"),
        files={"/bin/busybox": BUSYBOX, **ACCOUNTS},
        links={f"/bin/{applet}": "busybox" for applet in applets if applet != "busybox"},
        command=["/bin/sh"],
        environment=["HOME=/tmp"],
    )
