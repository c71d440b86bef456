"""Jobs: one run each, a script of recorded steps that any replica can take over."""
