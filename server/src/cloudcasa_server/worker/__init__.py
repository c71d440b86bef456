"""Periodic work of a server process: running jobs, and noticing silence. What is done is in the rooms below."""
