"""What an epoch costs, counted and measured."""
