"""Not in the paper: how the time to grok depends on the size of the dataset."""
