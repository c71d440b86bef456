"""What each cluster holds, as its agent tells: asked for when a backup is defined, and shown as read-only collections."""
