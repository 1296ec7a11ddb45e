"""Whether runs have come to rest, and where AdamW rests."""
