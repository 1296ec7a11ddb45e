"""The nine other tasks: ungrokking and their circuits (Fig. 8)."""
