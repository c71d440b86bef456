"""The node: containerd, kubelet, kube-proxy, and the storage driver with its helpers, as command lines and settings for one lab.

Everything here runs inside the lab's own world (`lab.run.world`), so fixed paths are the lab's own. Pitfalls met are noted where they
are avoided.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import cgroup, probe, state
from .part import Part
from .state import Record

CONTAINERD_SOCKET = "/run/lab/containerd.sock"
DNS_SERVICE = "10.96.0.10"
CSI_DRIVER = "csi.lab.local"
CSI_SOCKET = f"/var/lib/kubelet/plugins/{CSI_DRIVER}/csi.sock"
CTR = ["ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]

# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc could not lower the score and would end without a word.
_CONTAINERD = """version = 2
root = "{home}/node/containerd"
state = "/run/lab/containerd"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/node/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/conf/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def configure(record: Record, *, home: Path, pause: str) -> None:
    """Write the settings of containerd, its network, kubelet and kube-proxy."""
    conf = home / "conf"
    (conf / "cni").mkdir(mode=0o700, exist_ok=True)
    state.write(conf / "containerd.toml", _CONTAINERD.format(home=home, socket=CONTAINERD_SOCKET, pause=pause))
    state.write_json(conf / "cni/10-lab.conflist", _pod_network(record))
    state.write(conf / "pods.resolv.conf", "nameserver 127.0.0.1\n")
    state.write_json(conf / "kubelet.json", _kubelet_settings(record, home=home))
    state.write_json(conf / "kube-proxy.json", _proxy_settings(record, home=home))


def _pod_network(record: Record) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": record.pod_cidr, "gateway": record.pod_gateway}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]}


def _kubelet_settings(record: Record, *, home: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": record.address,
        "healthzBindAddress": "127.0.0.1",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup.branch(record.name),
        "failCgroupV1": False,
        "failSwapOn": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{home}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{home}/pki/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{home}/pki/kubelet-server.key",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{home}/conf/pods.resolv.conf",
        "maxPods": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "oomScoreAdj": 0,
        "registerWithTaints": [],
        "serializeImagePulls": False,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }


def _proxy_settings(record: Record, *, home: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": record.address,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
        "clusterCIDR": record.pod_cidr,
        "hostnameOverride": record.name,
        "clientConnection": {"kubeconfig": f"{home}/proxy.kubeconfig"},
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0},  # the table's size is the whole machine's: leave it
        "iptables": {"minSyncPeriod": "200ms"},
        "nodePortAddresses": [f"{record.address}/24"],
    }


def containerd(home: Path) -> Part:
    """Return the container runtime."""

    def ready(inside: int | None) -> probe.Probe:
        return lambda: Path(f"/proc/{inside}/root{CONTAINERD_SOCKET}").is_socket()

    return Part("containerd", argv=["containerd", f"--config={home}/conf/containerd.toml"], ready=ready)


def kubelet(record: Record, *, home: Path, kube: Path) -> Part:
    """Return the kubelet."""
    argv = [
        str(kube.with_name("kubelet")), f"--config={home}/conf/kubelet.json", f"--kubeconfig={home}/kubelet.kubeconfig",
        f"--hostname-override={record.name}", f"--node-ip={record.address}", "--root-dir=/var/lib/kubelet",
    ]  # fmt: skip
    return Part("kubelet", argv=argv, ready=lambda inside: probe.url("http://127.0.0.1:10248/healthz", inside=inside))


def proxy(home: Path, *, kube: Path) -> Part:
    """Return kube-proxy, which writes its rules into the lab's own network."""
    argv = [str(kube.with_name("kube-proxy")), f"--config={home}/conf/kube-proxy.json"]
    return Part("kube-proxy", argv=argv, ready=lambda inside: probe.url("http://127.0.0.1:10249/healthz", inside=inside))


def storage(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> list[Part]:
    """Return the storage driver and the three processes that turn claims and snapshots into calls to it."""
    volumes = home / "node/volumes"
    volumes.mkdir(mode=0o711, parents=True, exist_ok=True)
    driver = [
        str(binaries["lab-csi"]), f"--name={CSI_DRIVER}", f"--node={record.name}", f"--root={volumes}",
        "--kubelet-dir=/var/lib/kubelet", f"--socket={CSI_SOCKET}",
    ]  # fmt: skip
    kubeconfig, socket = f"--kubeconfig={home}/admin.kubeconfig", f"--csi-address={CSI_SOCKET}"
    return [
        Part("lab-csi", argv=driver, ready=lambda inside: lambda: Path(f"/proc/{inside}/root{CSI_SOCKET}").is_socket()),
        Part(
            "csi-provisioner", argv=[str(binaries["csi-provisioner"]), kubeconfig, socket, "--feature-gates=Topology=true", "--timeout=60s"]
        ),
        Part("csi-snapshotter", argv=[str(binaries["csi-snapshotter"]), kubeconfig, socket, "--timeout=60s"]),
        Part("snapshot-controller", argv=[str(binaries["snapshot-controller"]), kubeconfig]),
    ]
