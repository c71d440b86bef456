"""Image archives: the same content gives the same bytes, and the names inside are the ones that callers use."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from lab.build import UnknownArtifactError, image_ref
from lab.build.catalogue import catalogue
from lab.build.oci import ImagePlan, write_archive
from lab.build.plan import Catalogue
from lab.build.recipe import Recipe


def an_image(program: Path) -> ImagePlan:
    return ImagePlan(
        "lab.local/app:1.0.0", files={"/bin/app": program, "/etc/passwd": b"root"}, links={"/bin/sh": "app"}, entrypoint=["/bin/app"]
    )


def a_program(path: Path, *, content: bytes = b"ELF") -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def a_recipe(name: str, *needs: str) -> Recipe:
    return Recipe("bin", name, {name: name}, make=lambda _draft, _inputs: None, contents=lambda: [name], needs=needs)


def blob(archive: Path, digest: str) -> bytes:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert member
        return member.read()


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_archive(tmp_path / f"{name}.tar", an_image(a_program(tmp_path / name)))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_other_content_gives_other_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_archive(tmp_path / f"{name}.tar", an_image(a_program(tmp_path / name, content=name.encode())))
    assert (tmp_path / "one.tar").read_bytes() != (tmp_path / "two.tar").read_bytes()


def test_archive_names_its_image_for_containerd(tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    write_archive(archive, an_image(a_program(tmp_path / "app")))
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index
        manifests = json.load(index)["manifests"]
    assert [manifest["annotations"]["io.containerd.image.name"] for manifest in manifests] == ["lab.local/app:1.0.0"]


def test_layer_keeps_modes_and_links_and_has_a_tmp(tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    write_archive(archive, an_image(a_program(tmp_path / "app")))
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index
        manifest = json.loads(blob(archive, json.load(index)["manifests"][0]["digest"]))
    with tarfile.open(fileobj=io.BytesIO(blob(archive, manifest["layers"][0]["digest"]))) as layer:
        found = {entry.name: (oct(entry.mode), entry.linkname) for entry in layer}
    assert found == {
        "bin": ("0o755", ""),
        "etc": ("0o755", ""),
        "tmp": ("0o1777", ""),
        "bin/app": ("0o755", ""),
        "etc/passwd": ("0o644", ""),
        "bin/sh": ("0o644", "app"),
    }


@pytest.mark.parametrize("name", ["velero", "image:velero"])
def test_reference_is_the_pinned_version(name: str) -> None:
    assert image_ref(name).startswith("lab.local/velero:v1.")


def test_our_images_are_tagged_by_content() -> None:
    name, _, tag = image_ref("image:agent").rpartition(":")
    assert (name, len(tag)) == ("lab.local/agent", 16)
    assert image_ref("agent-cloud") != image_ref("agent")


def test_what_is_needed_is_built_first() -> None:
    recipes = Catalogue([a_recipe("image", "velero", "plugin"), a_recipe("plugin"), a_recipe("velero", "go")])
    full = Catalogue([*recipes.recipes, a_recipe("go")])
    assert [recipe.name for recipe in full.in_order(["image", "plugin"])] == ["go", "velero", "plugin", "image"]


def test_every_input_in_the_catalogue_is_made_by_somebody() -> None:
    made = catalogue().by_output()
    assert {need for recipe in made.values() for need in recipe.needs} <= set(made)


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownArtifactError, match=r'Nothing builds "kubo": known are .*kubectl'):
        catalogue().in_order(["kubo"])
