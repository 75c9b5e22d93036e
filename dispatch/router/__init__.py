"""Who goes, and when to worry."""
