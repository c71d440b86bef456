"""Copy definitions: the data of a backup goes to an object store."""
