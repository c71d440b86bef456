"""Importing from storage: recovery points are made again from what lies in an object store (docs/adr/0031)."""
