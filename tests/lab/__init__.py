"""Stories on a real node."""
