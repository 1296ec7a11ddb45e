"""Many runs: planned, trained here or on a cluster, timed, trained again."""
