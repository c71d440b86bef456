"""The lab: a real Kubernetes, object store and databases on one machine, for tests and the demo. See `python -m lab --help`."""
