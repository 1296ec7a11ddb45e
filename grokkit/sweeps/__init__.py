"""Many runs: planned, trained here or on a cluster, trained again."""
