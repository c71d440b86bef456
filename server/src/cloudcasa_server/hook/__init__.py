"""Application hooks: commands in an application's own pods that make its data fit for a snapshot; and built-in templates of them."""
