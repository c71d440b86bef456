"""The servers of tests/support/server_fixtures.py."""

from tests.support.server_fixtures import begun, lent, server, shared

__all__ = ["begun", "lent", "server", "shared"]
