"""Migrations and replications: a backup in one cluster and its restore in another, defined as one. Kept and shown, not yet run."""
