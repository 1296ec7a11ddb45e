"""The same minimum sought from memory and from the rule (Apps. A.2, A.4; Fig. 10)."""
