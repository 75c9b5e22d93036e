"""Who goes: the queue and the ranking."""
