"""The server's image in a pod: no root, nothing writable but its data and /tmp. (The agent's image runs in every other story.)"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.run import Lab

pytestmark = pytest.mark.lab

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: server, namespace: image-server}}
spec:
  securityContext: {{runAsNonRoot: true, fsGroup: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: server
    image: {image}
    args: [serve]
    env: [{{name: CLOUDCASA_DATA_DIR, value: /data}}, {{name: CLOUDCASA_PUBLIC_URL, value: "https://server.image-server.svc:8443"}}]
    securityContext: {{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
    readinessProbe: {{httpGet: {{path: /readyz, port: 8443, scheme: HTTPS}}, periodSeconds: 1}}
    volumeMounts: [{{name: data, mountPath: /data}}, {{name: tmp, mountPath: /tmp}}]
  volumes: [{{name: data, emptyDir: {{}}}}, {{name: tmp, emptyDir: {{}}}}]
"""


@pytest.fixture
def namespace(node_lab: Lab) -> Iterator[str]:
    node_lab.kubectl("create", "namespace", "image-server")
    yield "image-server"
    node_lab.kubectl("delete", "namespace", "image-server", "--wait=false")


def test_server_image_serves_from_a_read_only_root(node_lab: Lab, namespace: str) -> None:
    image = node_lab.add_image("server")
    node_lab.kubectl("apply", "-f", "-", input=POD.format(image=image))
    node_lab.kubectl("-n", namespace, "wait", "pod/server", "--for=condition=Ready", "--timeout=90s")
    pod = json.loads(node_lab.kubectl("-n", namespace, "get", "pod", "server", "-o", "json"))
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert "is ready" in node_lab.kubectl("-n", namespace, "logs", "server")
