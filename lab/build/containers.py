"""Our own images, built from deploy/Containerfile.* by Debian's buildah on a base that debootstrap made: no registry is asked.

Users build the same files on an ordinary base image. What the build needs of this machine (its certificates, its pip configuration) is
lent to it as a volume and a secret, so neither ends up in a layer. Source: findings, 5b; buildah-build(1).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_root, content_key, source_files
from .errors import BuildFailedError
from .images import CA_BUNDLE, REGISTRY
from .recipe import Inputs, Recipe
from .run import capture, log_path, run

PROJECT = Path(__file__).parent.parent.parent
BASE = "rootfs:bookworm"
CA_INSIDE = "/run/build-ca.crt"
KEPT_IMAGES = 4


@dataclass(frozen=True)
class Variant:
    """One image of ours: its Containerfile, what is copied into it, and its build arguments."""

    name: str
    containerfile: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    usual_seconds: int = 90

    def contents(self) -> list[str | bytes | Path]:
        """Return everything the image depends on, beside the base."""
        return [Path(__file__), PROJECT / self.containerfile, *(PROJECT / source for source in self.sources), *self.arguments]


AGENT_SOURCES = ("requirements/build.txt", "requirements/agent.txt", "requirements/agent-cloud.txt", "contract", "agent")
VARIANTS = (
    Variant("server", "deploy/Containerfile.server", ("requirements/build.txt", "requirements/server.txt", "contract", "server")),
    Variant("agent", "deploy/Containerfile.agent", AGENT_SOURCES),
    Variant("agent-cloud", "deploy/Containerfile.agent", AGENT_SOURCES, ("REQUIREMENTS=agent-cloud.txt",)),
)


def container_recipes() -> list[Recipe]:
    """Return the recipes of our own images."""
    return [_recipe(variant) for variant in VARIANTS]


def container_ref(name: str) -> str:
    """Return the reference of one of our images; its tag changes with its content, so that a Deployment rolls when the code does."""
    variant = next((variant for variant in VARIANTS if variant.name == name), None)
    if variant is None:
        raise BuildFailedError(f'No image of the lab is called "{name}".')
    return f"{REGISTRY}/{name}:{content_key(variant.contents())}"


def _recipe(variant: Variant) -> Recipe:
    def make(out: Path, inputs: Inputs) -> None:
        log = log_path(f"image-{variant.name}")
        log.unlink(missing_ok=True)
        context = out / "context"
        _copy_sources(variant.sources, context)
        ref, archive = container_ref(variant.name), out / f"{variant.name}.tar"
        base = _import_base(inputs[BASE], log=log)
        _bud(variant, base=base, context=context, ref=ref, log=log)
        run([*_buildah(), "push", "--quiet", ref, f"oci-archive:{archive}:{ref}"], log=log)
        shutil.rmtree(context)

    return Recipe(
        kind="image",
        name=variant.name,
        outputs={f"image:{variant.name}": f"{variant.name}.tar"},
        make=make,
        contents=variant.contents,
        needs=(BASE,),
        commands=("buildah", str(CA_BUNDLE)),
        root=True,
        usual_seconds=variant.usual_seconds,
        keep=KEPT_IMAGES,
    )


def _buildah() -> list[str]:
    store = cache_root() / "containers"
    return ["buildah", "--root", str(store / "storage"), "--runroot", str(store / "run"), "--storage-driver", "overlay"]


def _copy_sources(sources: Sequence[str], context: Path) -> None:
    """Copy what the image is made of, and nothing else, so that buildah's own cache sees no change where there is none."""
    for source in sources:
        for file in source_files(PROJECT / source):
            target = context / file.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _import_base(root: Path, *, log: Path) -> str:
    """Return the name of the base image in buildah's store, importing the root file system when it is not there."""
    name = f"{REGISTRY}/base:{root.parent.name}"
    if name in capture([*_buildah(), "images", "--format", "{{.Name}}:{{.Tag}}"]).split():
        return name
    container = capture([*_buildah(), "from", "scratch"]).strip()
    try:
        run([*_buildah(), "add", "--quiet", container, str(root), "/"], log=log)
        run([*_buildah(), "commit", "--quiet", container, name], log=log)
    finally:
        run([*_buildah(), "rm", container], log=log)
    return name


def _bud(variant: Variant, *, base: str, context: Path, ref: str, log: Path) -> None:
    pip_conf = context.with_name("pip.conf")
    pip_conf.write_text(pip_configuration(capture(["python3", "-m", "pip", "config", "list"])), encoding="utf-8")
    pip_conf.chmod(0o600)
    arguments = [f"BASE={base}", *variant.arguments]
    try:
        run(
            [
                *_buildah(),
                "bud",
                "--isolation=chroot",  # without runc, which wants rights that a container in a container lacks
                "--network=host",
                "--pull-never",
                "--layers",
                f"--volume={CA_BUNDLE}:{CA_INSIDE}:ro",
                f"--secret=id=pip,src={pip_conf}",
                *(f"--build-arg={argument}" for argument in arguments),
                f"--tag={ref}",
                f"--file={PROJECT / variant.containerfile}",
                str(context),
            ],
            log=log,
        )
    finally:
        pip_conf.unlink()


def pip_configuration(listed: str) -> str:
    """Return a pip.conf with this machine's index, trusted hosts and proxy, out of what `pip config list` prints."""
    wanted = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
    lines = ["[global]", f"cert = {CA_INSIDE}", "disable-pip-version-check = true"]
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        option = name.strip().rsplit(".", 1)[-1]
        if option in wanted:
            lines.append(f"{option} = {value.strip().strip(chr(39) + chr(34))}")
    return "\n".join(lines) + "\n"
