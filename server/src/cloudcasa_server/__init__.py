"""CloudCasa server."""
