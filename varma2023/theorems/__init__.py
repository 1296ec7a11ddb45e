"""Theorems of App. D, tried on random problems."""
