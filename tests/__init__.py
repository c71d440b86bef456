"""The tests: unit (no I/O beyond this machine's loopback), integration (real parts, one at a time), lab (stories), bench."""
