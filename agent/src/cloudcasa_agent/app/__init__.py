"""Puts the rooms together and keeps them running: settings in, tasks supervised, drained on SIGTERM."""

from .agent import run_agent

__all__ = ["run_agent"]
