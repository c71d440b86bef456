"""The lab's catalogue: every part that can be asked for by name, and the versions that are pinned."""

from __future__ import annotations

from .containers import container_recipes, container_ref
from .files import file_recipes, node_version
from .golang import TOOLS, go_recipes, pinned, published_version
from .images import TAGS, ref, static_image_recipes
from .plan import Catalogue
from .rootfs import rootfs_recipes

VERSIONS = {
    "kubernetes": pinned(TOOLS / "cluster", "k8s.io/kubernetes"),
    "external-provisioner": pinned(TOOLS / "cluster", "github.com/kubernetes-csi/external-provisioner/v6"),
    "external-snapshotter": pinned(TOOLS / "cluster", "github.com/kubernetes-csi/external-snapshotter/v8"),
    "kwok": pinned(TOOLS / "cluster", "sigs.k8s.io/kwok"),
    "velero": TAGS["velero"],
    "velero-plugin-for-aws": TAGS["velero-plugin-for-aws"],
    "ferretdb": pinned(TOOLS / "mongo", "github.com/FerretDB/FerretDB/v2"),
    "versitygw": published_version("versitygw"),
    "coredns": published_version("coredns"),
    "csi-sanity": published_version("csi-sanity"),
    "azurite": node_version("azurite", package="azurite"),
    "oidc-provider": node_version("oidc", package="oidc-provider"),
}
"""Part -> pinned version, read from where it is pinned."""


def catalogue() -> Catalogue:
    """Return every recipe, the ones first that others wait for."""
    return Catalogue([*go_recipes(), *static_image_recipes(), *file_recipes(), *rootfs_recipes(), *container_recipes()])


def image_ref(name: str) -> str:
    """Return the reference of an image, with or without "image:" before its name: lab.local/velero:v1.18.3."""
    short = name.removeprefix("image:")
    return ref(short) if short in TAGS else container_ref(short)
