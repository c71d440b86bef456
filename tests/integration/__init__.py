"""One real part at a time."""
