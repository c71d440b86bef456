"""Our server and its agents in a lab: what the demo, the stories and the benchmark stand on.

The server runs inside the lab's namespaces, so that pods reach it and nothing outside the machine does, with its data in the lab's
own directory, so that `lab down` forgets it too.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from lab.build import image_ref
from lab.run import Lab

from .client import Client

PORT = 8443
PART = "server"


class System:
    """The server in one lab."""

    def __init__(self, lab: Lab) -> None:
        """Take a lab that is up."""
        self.lab = lab
        self.env = lab.env()
        self.data_dir = lab.home / "server"
        self.url = f"https://{self.env['LAB_ADDRESS']}:{PORT}"

    @property
    def ca_path(self) -> Path:
        """The CA that signed the server's certificate."""
        return self.data_dir / "tls" / "ca.crt"

    @property
    def key_path(self) -> Path:
        """Where the bootstrap API key lies."""
        return self.data_dir / "bootstrap-key"

    def start(self, **settings: str) -> None:
        """Start the server if it does not run; return when it is ready. `settings` are further CLOUDCASA_* variables."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = {
            "CLOUDCASA_DATA_DIR": str(self.data_dir),
            "CLOUDCASA_LISTEN_HOST": self.env["LAB_ADDRESS"],
            "CLOUDCASA_LISTEN_PORT": str(PORT),
            "CLOUDCASA_PUBLIC_URL": self.url,
            "CLOUDCASA_AGENT_IMAGE": self.lab.add_image("agent"),
            "CLOUDCASA_VELERO_IMAGE": image_ref("velero"),
            "CLOUDCASA_PLUGIN_AWS_IMAGE": image_ref("velero-plugin-for-aws"),
            **settings,
        }
        program = Path(sys.executable).with_name("cloudcasa-server")
        self.lab.start(PART, [str(program), "serve"], env=environment, ready=f"{self.url}/readyz")

    def kill(self) -> None:
        """End the server without warning, as a power cut would."""
        self.lab.stop(PART, sig=signal.SIGKILL)

    def client(self) -> Client:
        """Return a client with the bootstrap key."""
        return Client(self.url, api_key=self.key_path.read_text().strip(), ca_path=self.ca_path)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl from the host as the lab's admin; return what it printed."""
        return self.lab.kubectl(*arguments, input=stdin)
