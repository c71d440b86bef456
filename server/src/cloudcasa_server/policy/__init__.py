"""Policies: when backups run and how long what they make is kept. What is due is worked out here, and done by backup/scheduler.py."""
