"""Backup definitions: what of a cluster is backed up. A run of one is a job."""
