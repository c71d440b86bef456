"""Our images, as they would be pushed: who they run as, and what is not in them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from functools import cache

import pytest

from lab.build import ensure

pytestmark = pytest.mark.integration

IMAGES = {"server": "cloudcasa-server", "agent": "cloudcasa-agent", "agent-cloud": "cloudcasa-agent"}
COMPILERS = ("gcc", "g++", "cc", "cpp", "ld", "as", "make", "go", "rustc")


@cache
def read(name: str) -> tuple[dict, frozenset[str]]:
    """Return the configuration and the paths of an image."""
    with tarfile.open(ensure([f"image:{name}"], report=print)[f"image:{name}"]) as archive:

        def blob(digest: str) -> bytes:
            return archive.extractfile(f"blobs/{digest.replace(':', '/')}").read()

        index = json.load(archive.extractfile("index.json"))
        manifest = json.loads(blob(index["manifests"][0]["digest"]))
        paths: set[str] = set()
        for layer in manifest["layers"]:
            data = blob(layer["digest"])
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            with tarfile.open(fileobj=io.BytesIO(plain)) as files:
                paths.update("/" + member.name.lstrip("./") for member in files)
        return json.loads(blob(manifest["config"]["digest"]))["config"], frozenset(paths)


@pytest.mark.parametrize(("name", "program"), IMAGES.items(), ids=IMAGES)
def test_image_runs_its_program_without_root(name, program):
    config, _ = read(name)
    assert config["User"].split(":")[0] == "65532"
    assert program in " ".join(config["Entrypoint"])


@pytest.mark.parametrize("name", IMAGES)
def test_image_holds_no_compiler_and_no_package_cache(name):
    _, paths = read(name)
    programs = {path.rsplit("/", 1)[1] for path in paths if path.startswith(("/usr/bin/", "/bin/", "/usr/local/bin/"))}
    assert programs.isdisjoint(COMPILERS)
    assert not [path for path in paths if path.endswith((".deb", ".whl"))]


def test_only_the_cloud_variant_holds_ansible():
    assert not [path for path in read("agent")[1] if "/ansible_runner/" in path or "/ansible/" in path]
    cloud = read("agent-cloud")[1]
    assert any("/ansible_runner/" in path for path in cloud)
    assert any("/ansible/" in path for path in cloud)
