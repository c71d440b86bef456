"""Restores: a recovery point, or a part of it, put back on its cluster."""
