"""The control plane: etcd, API server, controllers, scheduler and the S3 server, as command lines for one lab.

Pure: from a record and the binaries to parts with argv, environment and readiness; `lab.run.lab` starts them. Source: the components'
own --help; ../../shared reference notes of the project, "kube" and "S3".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import pki, probe
from .part import Part
from .state import Record

BUCKET = "backups"
REGION = "us-east-1"


def etcd(record: Record, *, home: Path) -> Part:
    """Return etcd, on loopback only: it has no passwords."""
    client, peer = (f"http://127.0.0.1:{record.ports[name]}" for name in ("etcd", "etcd-peer"))
    argv = [
        "etcd", "--name=lab", f"--data-dir={home}/etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=lab={peer}",
        "--log-level=warn", "--logger=zap", "--auto-compaction-retention=1h",
    ]  # fmt: skip
    return Part("etcd", argv=argv, ready=lambda inside: probe.url(f"{client}/health", inside=inside))


def apiserver(record: Record, *, home: Path, kube: Path) -> Part:
    """Return the API server, on the lab's address."""
    certs = home / "pki"
    reach = [f"--advertise-address={record.address}"] if record.number else ["--endpoint-reconciler-type=none"]
    argv = [
        str(kube.with_name("kube-apiserver")), f"--etcd-servers=http://127.0.0.1:{record.ports['etcd']}",
        f"--bind-address={record.address}", f"--secure-port={record.ports['apiserver']}", *reach,
        f"--service-cluster-ip-range={pki.SERVICE_CIDR}", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
        "--enable-admission-plugins=NodeRestriction", "--profiling=false",
        f"--client-ca-file={certs}/ca.crt", f"--tls-cert-file={certs}/apiserver.crt", f"--tls-private-key-file={certs}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={certs}/tokens.pub", f"--service-account-signing-key-file={certs}/tokens.key",
        f"--kubelet-client-certificate={certs}/apiserver-kubelet.crt", f"--kubelet-client-key={certs}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={certs}/ca.crt", "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={certs}/front-proxy-ca.crt", "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={certs}/front-proxy.crt", f"--proxy-client-key-file={certs}/front-proxy.key",
    ]  # fmt: skip
    return Part("kube-apiserver", argv=argv, ready=lambda inside: probe.url(f"{record.api_url}/readyz", inside=inside))


def controller_manager(record: Record, *, home: Path, kube: Path) -> Part:
    """Return the controllers; alone in their cluster, so without leader election and its delay."""
    config, port = home / "controller-manager.kubeconfig", record.ports["controller-manager"]
    argv = [
        str(kube.with_name("kube-controller-manager")), *_loopback(config, port=port), "--use-service-account-credentials",
        f"--service-account-private-key-file={home}/pki/tokens.key", f"--root-ca-file={home}/pki/ca.crt",
        f"--cluster-signing-cert-file={home}/pki/ca.crt", f"--cluster-signing-key-file={home}/pki/ca.key",
        "--allocate-node-cidrs=false", f"--cluster-cidr={record.pod_cidr}",
    ]  # fmt: skip
    return Part("kube-controller-manager", argv=argv, ready=lambda inside: probe.url(f"https://127.0.0.1:{port}/healthz", inside=inside))


def scheduler(record: Record, *, home: Path, kube: Path) -> Part:
    """Return the scheduler."""
    config, port = home / "scheduler.kubeconfig", record.ports["scheduler"]
    argv = [str(kube.with_name("kube-scheduler")), *_loopback(config, port=port)]
    return Part("kube-scheduler", argv=argv, ready=lambda inside: probe.url(f"https://127.0.0.1:{port}/healthz", inside=inside))


def _loopback(config: Path, *, port: int) -> list[str]:
    return [
        f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1", f"--secure-port={port}", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000",
    ]  # fmt: skip


def s3(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> Part:
    """Return the S3 server. Its bucket is a directory, its versions lie in a second one."""
    data, versions = home / "s3", home / "s3-versions"
    for path in (data, versions, data / BUCKET):
        path.mkdir(mode=0o700, exist_ok=True)
    argv = [
        str(binaries["versitygw"]), f"--port={record.address}:{record.ports['s3']}", "--health=/healthz", f"--region={REGION}",
        "posix", f"--versioning-dir={versions}", str(data),
    ]  # fmt: skip
    keys = {"ROOT_ACCESS_KEY": record.s3_access_key, "ROOT_SECRET_KEY": record.s3_secret_key}
    return Part("versitygw", argv=argv, env=keys, ready=lambda inside: probe.url(f"{record.s3_url}/healthz", inside=inside))
