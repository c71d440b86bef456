"""Programs of this repository: the demo, and what generates files that are committed."""
