"""One lab for all stories: a real node, our server inside it, and its cluster protected by our agent; a second one for stories of two.

Set CLOUDCASA_KEEP_LAB=1 to leave it up after the run, so that the next one starts warm, and CLOUDCASA_TEST_LAB to name it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from lab.run import Lab
from tests.support.protected import Pair, Protected, protect, protect_pair
from tools.system import System

LAB_NAME = os.environ.get("CLOUDCASA_TEST_LAB", "test")
"""Two checkouts that test at once need two names."""


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def node_lab() -> Iterator[Lab]:
    """A node lab that is up, shared by all stories."""
    lab = Lab(LAB_NAME)
    lab.up("node", report=_report)
    yield lab
    if not os.environ.get("CLOUDCASA_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def system(node_lab: Lab) -> System:
    """Our server, running inside the lab."""
    running = System(node_lab)
    running.start()
    return running


@pytest.fixture(scope="session")
def protected(system: System) -> Protected:
    """The lab's cluster, registered, with an ACTIVE agent and an object store."""
    return protect(system)


@pytest.fixture(scope="session")
def pair(protected: Protected) -> Iterator[Pair]:
    """The lab's cluster and a second one, in a lab of its own, of the same server; brought up for the first story that asks."""
    peer = Lab(f"{LAB_NAME}-peer", report=_report)
    yield protect_pair(protected, peer=peer)
    if not os.environ.get("CLOUDCASA_KEEP_LAB"):
        peer.down()
