"""The agent: carries out the server's commands on one cluster, over one outbound websocket."""

__version__ = "0.1.0"
