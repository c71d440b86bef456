"""Alerts: what went wrong with nobody looking. Raised by the server, read and deleted by people."""
