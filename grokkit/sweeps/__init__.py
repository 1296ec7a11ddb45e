"""Many runs: planned, and trained here or on a cluster."""
