"""Bring a lab up: what it needs of the machine, its world, and the order its parts start in.

Everything that can start at the same time does (`lab.run.plan`). Each step is idempotent, so `up` on a running lab adds what is missing
and says what was there. Called by `lab.run.lab` only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.build import MissingError, archive_ref, ensure, image_ref, require
from lab.build.catalogue import catalogue
from lab.build.plan import slots

from . import api, cgroup, control, environment, manifests, network, node, parts, pki, probe, state
from .errors import LabError
from .lab import Lab
from .part import Part
from .plan import Step, execute
from .state import Profile, Record
from .world import COVERED

PARTS = ("mongo", "azurite", "kwok", "velero")

_NEEDED_BYTES = {"control": 1 << 30, "node": 3 << 30}
"""Free memory and disk a lab of each profile wants before it starts."""
_CONTROL = ("kube", "kubectl", "versitygw", "velero")
_NODE = ("csi-provisioner", "csi-snapshotter", "snapshot-controller", "lab-csi", "snapshot-crds")
_IMAGES = ("pause", "coredns", "busybox", "velero", "velero-plugin-for-aws")
_FIRST_IMAGES = _IMAGES[:2]
_FOR_PART = {
    "mongo": ("lab-ferretdb", "rootfs:documentdb"),
    "azurite": ("azurite",),
    "kwok": ("kwok", "kwok-stages"),
    "velero": ("velero-plugin-for-aws", "velero-crds", "snapshot-crds"),
}


def bring_up(lab: Lab, *, profile: Profile | None, parts: Sequence[str]) -> Record:
    """Create the lab or add to it; return its record."""
    existing = state.find(lab.name)
    if existing and profile and existing.profile != profile:
        raise LabError(
            f'The lab "{lab.name}" is a {existing.profile} lab and cannot become a {profile} lab. '
            f"Take it down first: python -m lab down --name {lab.name}"
        )
    chosen: Profile = existing.profile if existing else profile or "control"
    wanted = sorted({*parts, *(existing.parts if existing else ())})
    _check_parts(wanted)
    _check_machine(lab, profile=chosen)
    if existing and not lab.is_running:
        lab.report(f'the processes of the lab "{lab.name}" are gone; making it anew')
        lab.down()
        existing = None
    artifacts = ensure(_artifacts(chosen, parts=wanted), report=lab.report)
    lab.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with state.locked(lab.home / ".lock", timeout_seconds=0, busy=f'another `up` of the lab "{lab.name}" is under way'):
        if existing:
            lab.report(f'the lab "{lab.name}" ({chosen}) is running')
        record = existing or state.create(lab.name, profile=chosen)
        state.write_json(lab.home / environment.PATHS, {name: str(artifacts[name]) for name in ("kubectl", "velero")})
        if not lab.is_running:
            _launch(lab, record=record)
        if record.number:
            network.connect(record, holder=lab.client.holder.pid)
            cgroup.create(record.name)
        execute(_Steps(lab, record=record, artifacts=artifacts, parts=wanted).all())
        record = dataclasses.replace(record, parts=wanted)
        state.save(record)
    lab.report(f'the lab "{lab.name}" ({chosen}) is up: {record.api_url}')
    return record


def join(lab: Lab, *, other: Lab) -> None:
    """Lay a cable between two running node labs and note it in both."""
    one, two = lab.record, other.record
    if not one.number or not two.number or one.name == two.name:
        raise LabError(f'Cannot join "{one.name}" and "{two.name}": both must be node labs, and two of them.')
    network.join(one, holder=lab.client.holder.pid, other=two, other_holder=other.client.holder.pid)
    for record, peer in ((one, two.name), (two, one.name)):
        state.save(dataclasses.replace(record, peers=sorted({*record.peers, peer})))
    lab.report(f'the labs "{one.name}" ({one.address}) and "{two.name}" ({two.address}) reach each other')


def add_image(lab: Lab, *, name: str) -> str:
    """Give a node lab an image of the catalogue, building it if need be; return its reference."""
    if not lab.record.number:
        raise LabError(f'Cannot add the image "{name}" to "{lab.name}": a control lab runs no pods. Use a lab with --profile node.')
    archive = ensure([f"image:{name}"], report=lab.report)[f"image:{name}"]
    reference = archive_ref(archive)
    if reference not in _images_of(lab):
        lab.exec([*node.CTR, "images", "import", str(archive)])
        lab.report(f"image {reference} imported")
    return reference


def _images_of(lab: Lab) -> set[str]:
    return set(lab.exec([*node.CTR, "images", "list", "-q"]).stdout.split())


def _is_built(name: str) -> bool:
    makers = catalogue()
    places = slots(makers.in_order([name]), makers=makers.by_output())
    return all(place.is_filled() for place in places)


def _check_parts(wanted: Sequence[str]) -> None:
    if unknown := sorted(set(wanted) - set(PARTS)):
        raise LabError(f"There is no part {', '.join(unknown)}. Choose of: {', '.join(PARTS)}.")
    if "mongo" in wanted and os.geteuid() != 0:
        raise MissingError("The part mongo runs out of a root directory of its own and needs root: run with `sudo`, or leave `mongo` out.")


def _check_machine(lab: Lab, *, profile: Profile) -> None:
    require(["etcd"])
    if profile == "node":
        require(["containerd", "ctr", "runc", "ip", "iptables", "nsenter", "/usr/lib/cni/bridge"], root=True)
        for path in COVERED:
            if lab.home.is_relative_to(path):
                raise LabError(f"Cannot keep a node lab's state under {path}, which a lab has its own of. Set XDG_STATE_HOME elsewhere.")
    needed = _NEEDED_BYTES[profile]
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    memory = int(lines["MemAvailable"].split()[0]) * 1024
    if memory < needed:
        raise MissingError(f"A {profile} lab wants {needed >> 20} MiB of memory, {memory >> 20} MiB are free: take labs down.")
    folder = next(path for path in (lab.home, *lab.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise MissingError(f"A {profile} lab wants {needed >> 20} MiB of disk at {folder}, {free >> 20} MiB are free: delete something.")


def _artifacts(profile: Profile, *, parts: Sequence[str]) -> list[str]:
    names = [*_CONTROL, *(name for part in parts for name in _FOR_PART[part])]
    if profile == "node":
        names += [*_NODE, *(f"image:{name}" for name in _IMAGES)]
    return list(dict.fromkeys(names))


def _launch(lab: Lab, *, record: Record) -> None:
    argv = [sys.executable, "-m", "lab.run.launch", str(lab.home)]
    argv += ["--node", f"--hostname={record.name}"] if record.number else []
    env = {
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "CLOUDCASA_LAB_TOKEN": record.token,
    }
    done = subprocess.run(argv, env=env, cwd="/", capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise LabError(f'Cannot make the world of the lab "{lab.name}": {done.stderr.strip()[-2000:]}')
    probe.wait("the lab's holder answers", until=lambda: _answers(lab), timeout_seconds=10, hint=lab.tail("holder"))
    lab.report(f"holder is process {lab.client.holder.pid}")


def _answers(lab: Lab) -> bool:
    try:
        lab.client.parts()
    except LabError:
        return False
    return True


class _Steps:
    """The steps of one `up`."""

    def __init__(self, lab: Lab, *, record: Record, artifacts: Mapping[str, Path], parts: Sequence[str]) -> None:
        self.lab = lab
        self.home = lab.home
        self.record = record
        self.artifacts = artifacts
        self.parts = parts
        self.inside = lab.client.holder.pid

    def all(self) -> list[Step]:
        """Return every step of the lab's profile and parts."""
        steps = self._control_plane()
        if self.record.number:
            steps += [*self._runtime(), *self._cluster()]
        for part in self.parts:
            steps += {"kwok": self._kwok, "azurite": self._azurite, "mongo": self._mongo, "velero": self._velero}[part]()
        return steps

    def _start(self, part: Part) -> Callable[[], object]:
        return functools.partial(self.lab.start_part, part)

    def _control_plane(self) -> list[Step]:
        record, home, kube = self.record, self.home, self.artifacts["kube"]
        return [
            Step("certificates", lambda: pki.create(home, record=record)),
            Step("etcd", self._start(control.etcd(record, home=home))),
            Step("versitygw", self._start(control.s3(record, home=home, binaries=self.artifacts))),
            Step("apiserver", self._start(control.apiserver(record, home=home, kube=kube)), needs=("certificates", "etcd")),
            Step("controllers", self._start(control.controller_manager(record, home=home, kube=kube)), needs=("apiserver",)),
            Step("scheduler", self._start(control.scheduler(record, home=home, kube=kube)), needs=("apiserver",)),
        ]

    def _runtime(self) -> list[Step]:
        record, home, kube = self.record, self.home, self.artifacts["kube"]
        node.configure(record, home=home, pause=image_ref("pause"))
        driver, *helpers = node.storage(record, home=home, binaries=self.artifacts)
        return [
            Step("containerd", self._start(node.containerd(home))),
            Step("first images", functools.partial(self._import, _FIRST_IMAGES), needs=("containerd",)),
            Step("images", functools.partial(self._import, _IMAGES[2:]), needs=("first images", "node ready")),
            Step("agent image", self._import_agent, needs=("images",)),
            Step("kubelet", self._start(node.kubelet(record, home=home, kube=kube)), needs=("apiserver", "first images")),
            Step("kube-proxy", self._start(node.proxy(home, kube=kube)), needs=("apiserver",)),
            Step("lab-csi", self._start(driver), needs=("kubelet",)),
            *(Step(one.name, self._start(one), needs=("lab-csi", "snapshot objects")) for one in helpers),
        ]

    def _cluster(self) -> list[Step]:
        return [
            Step("snapshot objects", self._snapshot_objects, needs=("apiserver",)),
            Step("dns", self._dns, needs=("apiserver", "first images")),
            Step("node ready", self._until("the node is ready", api.is_node_ready), needs=("kubelet",)),
            Step("dns ready", self._until("DNS is ready", api.is_dns_ready), needs=("dns", "node ready", "kube-proxy", "controllers")),
            Step("driver ready", self._until("the storage driver is registered", api.is_driver_ready), needs=("lab-csi",)),
        ]

    def _kwok(self) -> list[Step]:
        return [Step("kwok", self._start(parts.kwok(self.record, home=self.home, binaries=self.artifacts)), needs=("apiserver",))]

    def _azurite(self) -> list[Step]:
        return [Step("azurite", self._start(parts.azurite(self.record, home=self.home, binaries=self.artifacts)))]

    def _mongo(self) -> list[Step]:
        record, home, root = self.record, self.home, self.artifacts["rootfs:documentdb"]
        return [
            Step("database", lambda: parts.create_database(record, home=home, root=root)),
            Step("postgres", self._start(parts.postgres(record, home=home, root=root)), needs=("database",)),
            Step("ferretdb", self._start(parts.ferretdb(record, home=home, binaries=self.artifacts)), needs=("postgres",)),
        ]

    def _velero(self) -> list[Step]:
        if self.record.number:
            return [Step("velero", self._velero_in_pods, needs=("images", "snapshot objects", "dns ready", "versitygw"))]
        server = parts.velero(self.record, home=self.home, binaries=self.artifacts)
        return [
            Step("velero objects", self._velero_objects, needs=("apiserver",)),
            Step("velero server", self._start(server), needs=("velero objects", "versitygw")),
            Step("velero", self._until("Velero can use the bucket", api.is_location_available, log="velero"), needs=("velero server",)),
        ]

    def _import(self, images: Sequence[str]) -> None:
        there = _images_of(self.lab)
        missing = [name for name in images if image_ref(name) not in there]
        for name in missing:
            self.lab.exec([*node.CTR, "images", "import", str(self.artifacts[f"image:{name}"])])
        self.lab.report(f"images {', '.join(missing)} imported" if missing else f"images {', '.join(images)} are there")

    def _import_agent(self) -> None:
        """Import the product's own image when it is built already; `Lab.add_image` builds it as well."""
        if _is_built("image:agent"):
            add_image(self.lab, name="agent")

    def _apply(self, name: str, text: str) -> None:
        """Apply objects, unless exactly these were applied before."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        mark = self.home / "done" / name
        if mark.exists() and mark.read_text() == digest:
            return
        self.lab.kubectl("apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-", input=text)
        state.write(mark, digest)

    def _apply_objects(self, name: str, *objects: manifests.Object) -> None:
        self._apply(name, json.dumps(manifests.a_list(*objects)))

    def _snapshot_crds(self) -> None:
        self._apply("snapshot-crds", self.artifacts["snapshot-crds"].read_text())
        probe.wait("the snapshot types are served", until=lambda: api.serves(self.lab, "snapshot.storage.k8s.io/v1"), timeout_seconds=30)

    def _snapshot_objects(self) -> None:
        self._apply("storage-class", json.dumps(manifests.storage_class()))
        self._snapshot_crds()
        self._apply("snapshot-class", json.dumps(manifests.snapshot_class()))
        self.lab.report("storage class and snapshot class lab are there")

    def _dns(self) -> None:
        self._apply("dns", json.dumps(manifests.dns(image_ref("coredns"))))

    def _velero_objects(self) -> None:
        self._snapshot_crds()
        texts = [path.read_text() for path in sorted(self.artifacts["velero-crds"].glob("*.y*ml"))]
        self._apply("velero-crds", "\n---\n".join(texts))
        self._apply("velero-home", json.dumps(manifests.velero_home(self.record)))
        probe.wait("Velero's types are served", until=lambda: api.serves(self.lab, "velero.io/v1"), timeout_seconds=30)
        self._apply("velero-location", json.dumps(manifests.velero_location(self.record)))

    def _velero_in_pods(self) -> None:
        """Install stock Velero from its own installer's objects, unchanged."""
        credentials = self.home / "conf/s3-credentials"
        state.write(credentials, manifests.aws_credentials(self.record))
        argv = [
            str(self.artifacts["velero"]), "install", "--dry-run", "--output=yaml", f"--image={image_ref('velero')}", "--provider=aws",
            f"--plugins={image_ref('velero-plugin-for-aws')}", f"--bucket={control.BUCKET}", f"--secret-file={credentials}",
            "--use-node-agent", "--features=EnableCSI", "--use-volume-snapshots=false",
            f"--backup-location-config=region={control.REGION},s3ForcePathStyle=true,s3Url={self.record.s3_url}",
        ]  # fmt: skip
        text = subprocess.run(argv, capture_output=True, text=True, check=True, env=self.lab.command_env()).stdout
        texts = [path.read_text() for path in sorted(self.artifacts["velero-crds"].glob("*.y*ml"))]
        self._apply("velero-crds", "\n---\n".join(texts))
        probe.wait("Velero's types are served", until=lambda: api.serves(self.lab, "velero.io/v1"), timeout_seconds=30)
        self._apply("velero", text)
        self._until("Velero can use the bucket", api.is_location_available)()

    def _until(self, what: str, ask: Callable[[Lab], bool], *, log: str = "kubelet") -> Callable[[], None]:
        def wait() -> None:
            hint = f"Look: python -m lab logs --name {self.lab.name} {log}"
            probe.wait(what, until=lambda: ask(self.lab), timeout_seconds=90, hint=hint)
            self.lab.report(what)

        return wait
