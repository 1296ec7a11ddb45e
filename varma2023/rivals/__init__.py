"""Other accounts of grokking, tested by ablations (Secs. 6, 7)."""
