"""Policies: when backups run and how long they are kept. Kept and shown, not yet acted on: the scheduler is a later issue."""
