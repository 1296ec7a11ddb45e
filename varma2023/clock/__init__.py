"""Not in the paper: grokking and ungrokking at other learning rates, in equal times."""
