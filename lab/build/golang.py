"""Go programs: the three modules of lab/tools, and the modules that build as published.

All commands of one module are built by one `go build`, so what they share is compiled and kept once. Pins live in go.mod and go.sum
(ours) or beside the module below (published ones, whose own go.sum pins the rest). Source: lab.md of the findings, 10a and 10c.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_root
from .errors import BuildFailedError
from .recipe import Inputs, Recipe
from .run import capture, log_path, run

TOOLS = Path(__file__).parent.parent / "tools"
KUBE_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


@dataclass(frozen=True)
class Published:
    """A module that is built as it was published, straight out of Go's module cache."""

    name: str
    module: str
    version: str
    checksum: str
    package: str
    usual_seconds: int


PUBLISHED = (
    Published(
        "versitygw", "github.com/versity/versitygw", "v1.8.0", "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=", "./cmd/versitygw", 60
    ),
    Published("coredns", "github.com/coredns/coredns", "v1.15.0", "h1:OBT+OEyHVdUiVxPhrNlC5XZVq3RkSxzQXfZQ76gm5ck=", ".", 120),
    Published(
        "csi-sanity",
        "github.com/kubernetes-csi/csi-test/v5",
        "v5.6.0",
        "h1:fQgB/CRoqTEAtlHwfD0Y785LjQJ/OxNGUE7AHw68VLg=",
        "./cmd/csi-sanity",
        20,
    ),
)

_CSI = "github.com/kubernetes-csi"
_VELERO = "github.com/vmware-tanzu/velero"
CLUSTER_PACKAGES = (
    "./cmd/kube",
    "./cmd/lab-csi",
    "./cmd/pause",
    "k8s.io/kubernetes/cmd/kubectl",
    f"{_CSI}/external-provisioner/v6/cmd/csi-provisioner",
    f"{_CSI}/external-snapshotter/v8/cmd/csi-snapshotter",
    f"{_CSI}/external-snapshotter/v8/cmd/snapshot-controller",
    "sigs.k8s.io/kwok/cmd/kwok",
)
VELERO_PACKAGES = (
    f"{_VELERO}/cmd/velero",
    f"{_VELERO}/cmd/velero-helper",
    f"{_VELERO}/cmd/velero-restore-helper",
    f"{_VELERO}-plugin-for-aws/velero-plugin-for-aws",
    f"{_VELERO}-plugin-for-aws/hack/cp-plugin",
)


def pinned(module_dir: Path, module: str) -> str:
    """Return the version that a go.mod of ours pins a module to."""
    text = (module_dir / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if not found:
        raise BuildFailedError(f'"{module_dir.name}/go.mod" pins no version of {module}: add it with `go get`.')
    return found[1]


def published_version(name: str) -> str:
    """Return the pinned version of a module that is built as published."""
    return next(entry.version for entry in PUBLISHED if entry.name == name)


def module_dir(module_path: str, version: str, *, checksum: str) -> Path:
    """Return where Go unpacked a module, fetching it when missing; refuse one whose checksum is not the pinned one."""
    answer = json.loads(capture(["go", "mod", "download", "-json", f"{module_path}@{version}"], env=go_environment()))
    if answer["Sum"] != checksum:
        raise BuildFailedError(f"{module_path}@{version} has the checksum {answer['Sum']}, and {checksum} is pinned: do not use it.")
    return Path(answer["Dir"])


def required_module_dir(folder: Path, module_path: str) -> Path:
    """Return where Go unpacked a module that a go.mod of ours requires; go.sum vouches for it."""
    capture(["go", "mod", "download", module_path], cwd=folder, env=go_environment())
    return Path(capture(["go", "list", "-m", "-f", "{{.Dir}}", module_path], cwd=folder, env=go_environment()).strip())


def go_environment() -> dict[str, str]:
    """Return what makes a build depend on nothing but its module: static, no other toolchain, a build cache of the lab's own."""
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        "GOCACHE": str(cache_root() / "go-build"),
    }


def build(folder: Path, packages: tuple[str, ...], *, out: Path, ldflags: str, log: str) -> None:
    """Compile the packages of one module into `out`, one binary each."""
    link = f"-s -w {ldflags}".strip()
    log_file = log_path(log)
    log_file.unlink(missing_ok=True)
    run(["go", "build", "-trimpath", "-ldflags", link, "-o", f"{out}/", *packages], cwd=folder, env=go_environment(), log=log_file)


def go_recipes() -> list[Recipe]:
    """Return the recipes of all Go programs, the ones that others wait for first."""
    cluster, velero, mongo = TOOLS / "cluster", TOOLS / "velero", TOOLS / "mongo"
    return [
        _own(cluster, CLUSTER_PACKAGES, usual_seconds=480, ldflags=_kubernetes_ldflags(cluster), is_large=True),
        _own(velero, VELERO_PACKAGES, usual_seconds=240, ldflags=_velero_ldflags(velero), is_large=True),
        *(_published(entry) for entry in PUBLISHED),
        _own(mongo, ("./cmd/lab-ferretdb",), usual_seconds=80, ldflags=""),
    ]


def _own(folder: Path, packages: tuple[str, ...], *, usual_seconds: int, ldflags: str, is_large: bool = False) -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        build(folder, packages, out=out, ldflags=ldflags, log=folder.name)
        if (out / "kube").exists():
            for component in KUBE_COMPONENTS:
                (out / component).symlink_to("kube")

    names = [package.rsplit("/", 1)[1] for package in packages]
    return Recipe(
        kind="bin",
        name=folder.name,
        outputs={name: name for name in names},
        make=make,
        contents=lambda: [go_release(), folder, ldflags, *packages],
        commands=("go",),
        usual_seconds=usual_seconds,
        is_large=is_large,
    )


def _published(entry: Published) -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        source = module_dir(entry.module, entry.version, checksum=entry.checksum)
        build(source, (entry.package,), out=out, ldflags="", log=entry.name)

    return Recipe(
        kind="bin",
        name=entry.name,
        outputs={entry.name: entry.name},
        make=make,
        contents=lambda: [go_release(), entry.module, entry.version, entry.checksum, entry.package],
        commands=("go",),
        usual_seconds=entry.usual_seconds,
    )


def go_release() -> str:
    """Return the Go release that builds, such as go1.26.8."""
    return capture(["go", "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).strip()


def _kubernetes_ldflags(folder: Path) -> str:
    version = pinned(folder, "k8s.io/kubernetes")
    major, minor = version.removeprefix("v").split(".")[:2]
    # Kubernetes stamps both: servers read the first, clients (the user agent) the second.
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {p}.gitVersion={version} -X {p}.gitMajor={major} -X {p}.gitMinor={minor}" for p in packages)


def _velero_ldflags(folder: Path) -> str:
    buildinfo = f"{_VELERO}/pkg/buildinfo"
    # The registry is what `velero install` and the data mover put before an image's name.
    return f"-X {buildinfo}.Version={pinned(folder, _VELERO)} -X {buildinfo}.ImageRegistry=lab.local"
