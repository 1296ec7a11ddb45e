"""Records and checkpoints on disk."""
