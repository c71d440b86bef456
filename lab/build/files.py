"""Parts that are files: custom resource definitions, kwok's stages, and what runs in Node.js: Azurite, an OpenID provider.

The YAML comes out of the very modules that the programs are built from, so it cannot be of another version.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from .golang import TOOLS, required_module_dir
from .recipe import Inputs, Maker, Recipe
from .run import log_path, run

HERE = Path(__file__).parent
SNAPSHOT_KINDS = ("volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots")
STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


def node_version(name: str, *, package: str) -> str:
    """Return the version that a part in Node.js pins."""
    pinned: str = json.loads((HERE / name / "package.json").read_text(encoding="utf-8"))["dependencies"][package]
    return pinned


def file_recipes() -> list[Recipe]:
    """Return the recipes of everything that is neither program, image nor root file system."""
    return [_snapshot_crds(), _velero_crds(), _kwok_stages(), _node("azurite"), _node("oidc")]


def _snapshot_crds() -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        folder = required_module_dir(TOOLS / "cluster", "github.com/kubernetes-csi/external-snapshotter/client/v8") / "config/crd"
        _join([folder / f"snapshot.storage.k8s.io_{kind}.yaml" for kind in SNAPSHOT_KINDS], out / "snapshot-crds.yaml")

    return _yaml("snapshot-crds", "snapshot-crds.yaml", make, module="cluster")


def _velero_crds() -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        folder = required_module_dir(TOOLS / "velero", "github.com/vmware-tanzu/velero") / "config/crd"
        for file in sorted(folder.glob("*/bases/*.yaml")):
            shutil.copyfile(file, out / file.name)

    return _yaml("velero-crds", ".", make, module="velero")


def _kwok_stages() -> Recipe:
    def make(out: Path, _: Inputs) -> None:
        folder = required_module_dir(TOOLS / "cluster", "sigs.k8s.io/kwok") / "kustomize/stage"
        files = [file for stage in STAGES for file in sorted((folder / stage).glob("*.yaml")) if file.name != "kustomization.yaml"]
        _join(files, out / "kwok-stages.yaml")

    return _yaml("kwok-stages", "kwok-stages.yaml", make, module="cluster")


def _node(name: str) -> Recipe:
    """Return the recipe of a part in Node.js: its folder here, with what its lock file pins in node_modules.

    Azurite runs by `node node_modules/azurite/dist/src/blob/main.js`, the OpenID provider by `node provider.mjs`.
    """

    def make(out: Path, _: Inputs) -> None:
        shutil.copytree(HERE / name, out, dirs_exist_ok=True)
        run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=out, log=log_path(name))

    return Recipe("file", name, {name: "."}, make, lambda: [HERE / name], commands=("npm", "node"), usual_seconds=45)


def _yaml(name: str, inside: str, make: Maker, *, module: str) -> Recipe:
    pins = TOOLS / module
    return Recipe("file", name, {name: inside}, make, lambda: [Path(__file__), pins / "go.mod", pins / "go.sum"], commands=("go",))


def _join(files: Sequence[Path], out: Path) -> None:
    out.write_text("\n---\n".join(file.read_text(encoding="utf-8").strip() for file in files) + "\n", encoding="utf-8")
